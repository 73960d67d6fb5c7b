import { Page } from '../../parts/Page';
import { Loading } from '../../parts/States';

export function DelegationsPage() {
  return (
    <Page title="Delegation & Budgets">
      <Loading what="the page" />
    </Page>
  );
}
