import type { ReactNode } from 'react';
import { csv, download, type CsvValue } from '../lib/csv';
import { Button } from './Button';
import { DownloadIcon } from './icons';
import styles from './DataTable.module.css';

export interface Column<T> {
  id: string;
  name: string;
  cell: (row: T) => ReactNode;
  /** What the file says; absent: the column is not in it. */
  csv?: (row: T) => CsvValue;
  align?: 'start' | 'end';
  /** Columns of lesser importance are left out on narrow screens. */
  importance?: 'always' | 'wide';
}

interface DataTableProps<T> {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  /** Shown instead of the table when there are no rows. */
  empty?: ReactNode;
  footer?: ReactNode;
}

/** A plain table: for reading, with the first column as the rows' heading. */
export function DataTable<T>({ caption, columns, rows, rowKey, empty, footer }: DataTableProps<T>) {
  if (rows.length === 0 && empty !== undefined) return <>{empty}</>;
  return (
    <div className={styles.scroll} tabIndex={0} role="region" aria-label={caption}>
      <table className={styles.table}>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.id} scope="col" className={classes(column)}>{column.name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map((column, at) =>
                at === 0 ? (
                  <th key={column.id} scope="row" className={classes(column)}>{column.cell(row)}</th>
                ) : (
                  <td key={column.id} className={classes(column)}>{column.cell(row)}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
        {footer ? <tfoot>{footer}</tfoot> : null}
      </table>
    </div>
  );
}

function classes<T>(column: Column<T>): string {
  return `${column.align === 'end' ? styles.end : ''} ${column.importance === 'wide' ? styles.wide : ''}`;
}

/** Saves what the table shows as a file that spreadsheets open. */
export function CsvButton<T>({ name, columns, rows }: { name: string; columns: readonly Column<T>[]; rows: readonly T[] }) {
  const save = () => {
    const written = columns.filter((column) => column.csv !== undefined);
    const table = rows.map((row) => written.map((column) => column.csv?.(row)));
    download(`${name}.csv`, csv(written.map((column) => column.name), table));
  };
  return (
    <Button size="small" tone="quiet" icon={<DownloadIcon />} onPress={save} isDisabled={rows.length === 0} aria-label={`Download ${name} as CSV`}>
      CSV
    </Button>
  );
}
