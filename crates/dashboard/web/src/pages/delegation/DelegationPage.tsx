import { Page } from '../../parts/Page';
import { Loading } from '../../parts/States';

export function DelegationPage() {
  return (
    <Page title="Delegation">
      <Loading what="the page" />
    </Page>
  );
}
