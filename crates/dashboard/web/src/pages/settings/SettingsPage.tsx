import { Page } from '../../parts/Page';
import { Loading } from '../../parts/States';

export function SettingsPage() {
  return (
    <Page title="Settings">
      <Loading what="the page" />
    </Page>
  );
}
