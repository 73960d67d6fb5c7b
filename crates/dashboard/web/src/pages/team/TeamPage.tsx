import { Page } from '../../parts/Page';
import { Loading } from '../../parts/States';

export function TeamPage() {
  return (
    <Page title="Team">
      <Loading what="the page" />
    </Page>
  );
}
