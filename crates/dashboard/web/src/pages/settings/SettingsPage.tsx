import { useMay } from '../../api/session';
import { Page } from '../../parts/Page';
import { Alerts } from './Alerts';
import { Organisation } from './Organisation';
import { Password } from './Password';
import { RootToken } from './RootToken';
import { Sessions } from './Sessions';
import { Webhooks } from './Webhooks';

/** What is set for the organisation, and for whoever is signed in. */
export function SettingsPage() {
  const may = useMay();
  return (
    <Page title="Settings" width="reading">
      <Organisation />
      {may.manageTenant ? <RootToken /> : null}
      <Alerts />
      {may.manageTenant ? <Webhooks /> : null}
      <Sessions />
      <Password />
    </Page>
  );
}
