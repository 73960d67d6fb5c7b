import { useRouteError } from 'react-router';
import { Button, ButtonLink } from '../parts/Button';
import { Page } from '../parts/Page';
import { Empty } from '../parts/States';

/** A defect of the dashboard, or a part of it that could not be loaded, such as after an update of the server. */
export function Crash() {
  const error = useRouteError();
  return (
    <main>
      <Empty title="This page could not be shown" action={<Button tone="primary" onPress={() => location.reload()}>Load it again</Button>}>
        {error instanceof Error ? error.message : 'Something unexpected happened.'}
      </Empty>
    </main>
  );
}

export function NotFound() {
  return (
    <Page title="No such page">
      <Empty title="There is nothing at this address" action={<ButtonLink to="/delegations">Go to Delegation & Budgets</ButtonLink>} />
    </Page>
  );
}
