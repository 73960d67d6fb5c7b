import { Page } from '../../parts/Page';
import { Loading } from '../../parts/States';

export function SpendPage() {
  return (
    <Page title="Spend">
      <Loading what="the page" />
    </Page>
  );
}
