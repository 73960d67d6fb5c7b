import { useQuery } from '@tanstack/react-query';
import { Suspense } from 'react';
import { Navigate, Outlet, useLocation } from 'react-router';
import { SessionContext, sessionQuery } from '../api/session';
import { Failed, Loading } from '../parts/States';
import { LiveProvider } from './Live';
import { Shell } from './Shell';

/** Everything inside is for signed-in people; others sign in first and come back. */
export function SignedIn() {
  const session = useQuery(sessionQuery);
  const { pathname, search } = useLocation();
  if (session.isPending) return <Loading what="the dashboard" />;
  if (session.isError && !session.data) {
    return <main><Failed error={session.error} what="The dashboard" onRetry={() => void session.refetch()} /></main>;
  }
  if (!session.data) {
    const next = pathname + search;
    return <Navigate to={next === '/' || next === '/delegations' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`} replace />;
  }
  return (
    <SessionContext value={session.data}>
      <LiveProvider>
        <Shell>
          <Suspense fallback={<Loading what="the page" />}>
            <Outlet />
          </Suspense>
        </Shell>
      </LiveProvider>
    </SessionContext>
  );
}
