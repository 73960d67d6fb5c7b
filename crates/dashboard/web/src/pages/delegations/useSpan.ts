import { useCallback, useLayoutEffect, useState, type RefObject } from 'react';
import { flushSync } from 'react-dom';

/** Rows drawn above and below what is in sight, so that the browser has something to show while it scrolls by itself. */
const AHEAD = 12;
/** The span moves by so many rows at a time, and not with every one. */
const STEP = 4;

export interface Span {
  from: number;
  /** The first row after it. */
  until: number;
  /** How many rows fit into the frame. */
  inSight: number;
}

/** Which rows of a scrolling frame are drawn. Its rows have one height, and begin below a heading that stays in sight. */
export function useSpan(frame: RefObject<HTMLElement | null>, rowHeight: number): { span: Span; onScroll: () => void } {
  const [span, setSpan] = useState(() => spanAt(0, innerHeight, rowHeight));
  const look = useCallback(() => {
    if (!frame.current) return;
    const next = spanAt(frame.current.scrollTop, frame.current.clientHeight, rowHeight);
    setSpan((now) => (now.from === next.from && now.until === next.until && now.inSight === next.inSight ? now : next));
  }, [frame, rowHeight]);
  useLayoutEffect(() => {
    look();
    const observer = new ResizeObserver(look);
    if (frame.current) observer.observe(frame.current);
    return () => observer.disconnect();
  }, [frame, look]);
  // Within the frame in which it scrolls, or what it scrolls to would be empty until the next one.
  const onScroll = useCallback(() => flushSync(look), [look]);
  return { span, onScroll };
}

export function spanAt(scrolled: number, height: number, rowHeight: number): Span {
  const first = Math.floor(Math.max(0, scrolled) / rowHeight);
  const inSight = Math.floor(height / rowHeight);
  return {
    from: Math.max(0, Math.floor((first - AHEAD) / STEP) * STEP),
    until: Math.ceil((first + inSight + 1 + AHEAD) / STEP) * STEP,
    inSight,
  };
}
