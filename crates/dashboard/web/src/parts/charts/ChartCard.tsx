import { useState, type ReactNode } from 'react';
import { ToggleButton, ToggleButtonGroup } from 'react-aria-components';
import { CsvButton, DataTable, type Column } from '../DataTable';
import { ChartIcon, TableIcon } from '../icons';
import { Card } from '../Page';
import styles from './charts.module.css';

interface ChartCardProps<T> {
  title: string;
  actions?: ReactNode;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  /** The file's name, without its ending. */
  file: string;
  empty: ReactNode;
  children: ReactNode;
  footer?: ReactNode;
}

/** A picture and the table that says the same; either can be had as a file. */
export function ChartCard<T>({ title, actions, columns, rows, rowKey, file, empty, children, footer }: ChartCardProps<T>) {
  const [view, setView] = useState<'chart' | 'table'>('chart');
  const tools = (
    <>
      {actions}
      <ToggleButtonGroup
        aria-label={`Show ${title.toLowerCase()} as`}
        className={styles.toggle ?? ''}
        selectionMode="single"
        disallowEmptySelection
        selectedKeys={[view]}
        onSelectionChange={(keys) => setView(keys.has('table') ? 'table' : 'chart')}
      >
        <ToggleButton id="chart" className={styles.toggleButton ?? ''}><ChartIcon size={14} /> Chart</ToggleButton>
        <ToggleButton id="table" className={styles.toggleButton ?? ''}><TableIcon size={14} /> Table</ToggleButton>
      </ToggleButtonGroup>
      <CsvButton name={file} columns={columns} rows={rows} />
    </>
  );
  return (
    <Card title={title} actions={tools} padding={view === 'table' && rows.length > 0 ? 'none' : 'yes'}>
      {rows.length === 0 ? empty : view === 'chart' ? children : <DataTable caption={title} columns={columns} rows={rows} rowKey={rowKey} footer={footer} />}
    </Card>
  );
}
