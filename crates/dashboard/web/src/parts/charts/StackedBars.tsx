import { scaleBand, scaleLinear } from 'd3-scale';
import { stack } from 'd3-shape';
import { credits, shortCredits } from '../../lib/format';
import { seriesColor } from './series';
import styles from './charts.module.css';
import { useWidth } from './useWidth';

export interface Bucket {
  key: string;
  /** What stands below the bar. */
  label: string;
  /** One amount for each series, in their order. */
  values: number[];
}

const MARGIN = { top: 12, right: 4, bottom: 24, left: 48 };

/** Amounts over time, stacked. The words for it are in `summary` and in the table beside it. */
export function StackedBars({ buckets, series, summary, height = 260 }: { buckets: Bucket[]; series: string[]; summary: string; height?: number }) {
  const { ref, width } = useWidth();
  const x = scaleBand(buckets.map((bucket) => bucket.key), [MARGIN.left, Math.max(MARGIN.left + 1, width - MARGIN.right)]).padding(buckets.length > 60 ? 0.1 : 0.28);
  const most = Math.max(1, ...buckets.map((bucket) => sum(bucket.values)));
  const y = scaleLinear([0, most], [height - MARGIN.bottom, MARGIN.top]).nice(4);
  const layers = stack<Bucket, number>().keys(series.map((_, at) => at)).value((bucket, at) => Math.max(0, bucket.values[at] ?? 0))(buckets);
  const every = Math.max(1, Math.ceil(buckets.length / Math.max(1, Math.floor((width - 60) / 64))));
  const bar = Math.min(x.bandwidth(), 56);
  const inset = (x.bandwidth() - bar) / 2;
  return (
    <figure>
      <div ref={ref}>
        {width > 0 ? (
          <svg width={width} height={height} role="img" aria-label={summary} className={styles.svg}>
            {y.ticks(4).filter(Number.isInteger).map((tick) => (
              <g key={tick} transform={`translate(0 ${y(tick)})`}>
                <line x1={MARGIN.left} x2={width - MARGIN.right} className={tick === 0 ? styles.base : styles.grid} />
                <text x={MARGIN.left - 8} dy="0.32em" textAnchor="end" className={styles.tick}>{shortCredits(tick)}</text>
              </g>
            ))}
            {layers.map((layer, at) => (
              <g key={layer.key} fill={seriesColor(at)}>
                {layer.map(([from, to], index) => {
                  const bucket = buckets[index];
                  if (!bucket || to <= from) return null;
                  return (
                    <rect key={bucket.key} x={(x(bucket.key) ?? 0) + inset} width={bar} y={y(to)} height={Math.max(0, y(from) - y(to) - (at > 0 ? 1 : 0))} rx={1.5} className={styles.bar}>
                      <title>{`${bucket.label}: ${series[at]}, ${credits(bucket.values[at])} credits`}</title>
                    </rect>
                  );
                })}
              </g>
            ))}
            {buckets.map((bucket, at) =>
              at % every === 0 ? (
                <text key={bucket.key} x={(x(bucket.key) ?? 0) + x.bandwidth() / 2} y={height - 8} textAnchor="middle" className={styles.tick}>{bucket.label}</text>
              ) : null,
            )}
          </svg>
        ) : (
          <div className={styles.space} />
        )}
      </div>
      {series.length > 1 ? <Legend series={series} /> : null}
    </figure>
  );
}

export function Legend({ series }: { series: string[] }) {
  return (
    <ul className={styles.legend}>
      {series.map((name, at) => (
        <li key={name}>
          <svg width={10} height={10} aria-hidden="true"><rect width={10} height={10} rx={2.5} fill={seriesColor(at)} /></svg>
          <bdi>{name}</bdi>
        </li>
      ))}
    </ul>
  );
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + Math.max(0, value), 0);
}
