import { Page } from '../../parts/Page';
import { Loading } from '../../parts/States';

export function CreatePage() {
  return (
    <Page title="New delegation">
      <Loading what="the page" />
    </Page>
  );
}
