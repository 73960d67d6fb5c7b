import { useQuery } from '@tanstack/react-query';
import { scaleLinear, scaleTime } from 'd3-scale';
import { area, curveStepAfter, line } from 'd3-shape';
import { api, ok } from '../../api/client';
import type { Node } from '../../api/delegations';
import type { DaySpent, Forecast } from '../../api/schema';
import { credits, date, shortCredits } from '../../lib/format';
import { ChartCard } from '../../parts/charts/ChartCard';
import charts from '../../parts/charts/charts.module.css';
import { useWidth } from '../../parts/charts/useWidth';
import type { Column } from '../../parts/DataTable';
import { Card } from '../../parts/Page';
import { Empty, Failed, Loading } from '../../parts/States';
import { burnOf, reasonOf, type Burn, type Point } from './burndown';
import styles from './DelegationPage.module.css';

const COLUMNS: Column<DaySpent>[] = [
  { id: 'date', name: 'Day', cell: (day) => day.date, csv: (day) => day.date },
  { id: 'spent', name: 'Spent', align: 'end', cell: (day) => credits(day.spent_credits), csv: (day) => day.spent_credits },
];

/** What remained over the last weeks, and when it will run out if it goes on like that. */
export function BurnDown({ node }: { node: Node }) {
  const forecast = useQuery({
    queryKey: ['forecast', node.id],
    queryFn: ({ signal }) => ok(api.GET('/api/cloud/report/forecast', { params: { query: { delegation_id: node.id } }, signal })),
  });
  if (forecast.isPending) return <Card title="Burn-down"><Loading what="the burn-down" /></Card>;
  if (forecast.isError) return <Card title="Burn-down"><Failed error={forecast.error} what="The burn-down" onRetry={() => void forecast.refetch()} /></Card>;
  const { data } = forecast;
  return (
    <ChartCard title="Burn-down" file="burn-down" columns={COLUMNS} rows={data.days} rowKey={(day) => day.date} empty={<Empty title="No history yet">{reasonOf(data.reason)}</Empty>}>
      <p className={styles.forecast}>{words(data)}</p>
      {typeof node.remaining_credits === 'number' ? <Drawing burn={burnOf(data, node.remaining_credits)} expires={node.expires_at ?? null} summary={words(data)} /> : null}
    </ChartCard>
  );
}

function words(forecast: Forecast): string {
  const { basis, run_out: out } = forecast;
  if (!out || !basis) return reasonOf(forecast.reason);
  const band = `between ${date(out.early)} and ${out.late ? date(out.late) : 'never'}`;
  const life = forecast.expires_first ? ' It expires before that.' : '';
  return `At about ${credits(Math.round(basis.daily_credits.expected))} credits a day it runs out on ${date(out.expected)} (${band}, in four of five cases).${life}`;
}

const HEIGHT = 240;
const MARGIN = { top: 10, right: 12, bottom: 24, left: 48 };

function Drawing({ burn, expires, summary }: { burn: Burn; expires: string | null; summary: string }) {
  const { ref, width } = useWidth();
  const now = burn.past.at(-1)?.at ?? 0;
  const first = burn.past[0]?.at ?? now;
  // A forecast far ahead would squeeze the past into nothing: it is shown for twice the past at the most.
  const last = Math.min(Math.max(now, burn.expected?.at(-1)?.at ?? now, burn.late?.at(-1)?.at ?? now), now + 2 * Math.max(now - first, 7 * 86_400_000));
  const x = scaleTime([first, last], [MARGIN.left, Math.max(MARGIN.left + 1, width - MARGIN.right)]);
  const y = scaleLinear([0, Math.max(1, ...burn.past.map((point) => point.remaining))], [HEIGHT - MARGIN.bottom, MARGIN.top]).nice(4);
  const path = line<Point>().x((point) => x(point.at)).y((point) => y(point.remaining));
  const step = line<Point>().x((point) => x(point.at)).y((point) => y(point.remaining)).curve(curveStepAfter);
  const under = area<Point>().x((point) => x(point.at)).y0(y(0)).y1((point) => y(point.remaining)).curve(curveStepAfter);
  const end = expires === null ? null : new Date(expires).getTime();
  return (
    <div ref={ref} className={styles.drawing}>
      {width > 0 ? (
        <svg width={width} height={HEIGHT} role="img" aria-label={`What remains over time. ${summary}`} className={charts.svg}>
          <clipPath id="burn-down-frame"><rect x={MARGIN.left} y={0} width={Math.max(0, width - MARGIN.left - MARGIN.right)} height={HEIGHT} /></clipPath>
          {y.ticks(4).map((tick) => (
            <g key={tick} transform={`translate(0 ${y(tick)})`}>
              <line x1={MARGIN.left} x2={width - MARGIN.right} className={tick === 0 ? charts.base : charts.grid} />
              <text x={MARGIN.left - 8} dy="0.32em" textAnchor="end" className={charts.tick}>{shortCredits(tick)}</text>
            </g>
          ))}
          {x.ticks(Math.max(2, Math.floor(width / 130))).map((tick) => (
            <text key={tick.getTime()} x={x(tick)} y={HEIGHT - 6} textAnchor="middle" className={charts.tick}>{date(tick.toISOString()).replace(/ \d{4}$/, '')}</text>
          ))}
          <g clipPath="url(#burn-down-frame)">
            <path d={under(burn.past) ?? ''} className={styles.under} />
            <path d={step(burn.past) ?? ''} className={styles.past} />
            {burn.early ? <path d={band(burn, path, last)} className={styles.band} /> : null}
            {burn.expected ? <path d={path(burn.expected) ?? ''} className={styles.expected} /> : null}
            {end !== null && end < last ? <line x1={x(end)} x2={x(end)} y1={MARGIN.top} y2={y(0)} className={styles.end} /> : null}
          </g>
        </svg>
      ) : null}
    </div>
  );
}

/** The area between the early and the late line; without a late one it stays open to the right. */
function band(burn: Burn, path: (points: Point[]) => string | null, last: number): string {
  const [now, early] = burn.early ?? [];
  if (!now || !early) return '';
  const late = burn.late?.at(-1) ?? { at: last, remaining: now.remaining };
  return `${path([now, early, { at: Math.max(early.at, late.at), remaining: 0 }, late]) ?? ''}Z`;
}
