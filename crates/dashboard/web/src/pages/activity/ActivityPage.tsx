import { Page } from '../../parts/Page';
import { Loading } from '../../parts/States';

export function ActivityPage() {
  return (
    <Page title="Activity">
      <Loading what="the page" />
    </Page>
  );
}
