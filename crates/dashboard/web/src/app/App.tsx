import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { I18nProvider } from 'react-aria-components';
import { RouterProvider } from 'react-router';
import { whenSignedOut } from '../api/client';
import { asProblem } from '../api/problem';
import { sessionKey } from '../api/session';
import { Toasts } from '../parts/Toast';
import { router } from './routes';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // What the server refused will be refused again; what did not reach it may the next time.
      retry: (failures, error) => failures < 2 && [0, 429, 502, 503, 504].includes(asProblem(error).status),
      retryDelay: (failures) => Math.min(1_000 * 2 ** failures, 8_000),
    },
    mutations: { retry: false, networkMode: 'always' },
  },
});

// Rows that are out of sight watch nothing, and levels are lists of ids: what they name has to stay.
client.setQueryDefaults(['delegation'], { gcTime: Infinity });

whenSignedOut(() => client.setQueryData(sessionKey, null));

export function App() {
  return (
    <I18nProvider locale="en-GB">
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
        <Toasts />
      </QueryClientProvider>
    </I18nProvider>
  );
}
