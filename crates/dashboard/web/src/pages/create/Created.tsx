import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { useNavigate } from 'react-router';
import { delegationQuery } from '../../api/delegations';
import type { CreatedDelegation } from '../../api/schema';
import { credits } from '../../lib/format';
import { Button } from '../../parts/Button';
import { CopyBlock, CopyField } from '../../parts/CopyField';
import { Checkbox } from '../../parts/Field';
import { LeaveGuard } from '../../parts/LeaveGuard';
import { Card, Page } from '../../parts/Page';
import { Notice } from '../../parts/States';
import { snippets } from './snippets';
import styles from './CreatePage.module.css';

/** The only moment at which the child's token is shown. It is kept nowhere. */
export function Created({ created }: { created: CreatedDelegation }) {
  const [kept, setKept] = useState(false);
  const navigate = useNavigate();
  const done = () => navigate(`/delegations/${created.id}`);
  return (
    <Page title="Delegated" width="reading" heading={<>Delegated: <bdi>{created.label}</bdi></>} lead={`${credits(created.budget_credits)} credits. Hand the token to the agent; it is shown this one time.`}>
      <Card title="The token">
        <CopyField label="Token" text={created.token} onCopied={() => setKept(true)} />
        <Checkbox isSelected={kept} onChange={setKept}>I have kept the token</Checkbox>
        <div className={styles.doneRow}>
          <FirstSpend id={created.id} />
          <Button tone="primary" isDisabled={!kept} onPress={() => void done()}>Done</Button>
        </div>
      </Card>
      <Card title="Spend with it">
        <Code token={created.token} />
      </Card>
      {kept ? null : <LeaveGuard what="the token" detail="It cannot be shown again. You would have to rotate the delegation to get another one." />}
    </Page>
  );
}

export function Code({ token }: { token: string }) {
  return (
    <Tabs className={styles.tabs ?? ''}>
      <TabList aria-label="Language" className={styles.tabList ?? ''}>
        {snippets(location.origin, token).map(({ id, name }) => <Tab key={id} id={id} className={styles.tab ?? ''}>{name}</Tab>)}
      </TabList>
      {snippets(location.origin, token).map(({ id, name, code }) => (
        <TabPanel key={id} id={id} className={styles.tabPanel ?? ''}><CopyBlock label={`${name} code`} text={code} /></TabPanel>
      ))}
    </Tabs>
  );
}

/** Follows the new delegation until something was spent with it. */
function FirstSpend({ id }: { id: string }) {
  const node = useQuery(delegationQuery(id)).data;
  if (!node || node.spent_credits === 0) return <p className={styles.waiting} role="status">Waiting for its first spend…</p>;
  return <div role="status"><Notice tone="good">Its first spend has arrived: {credits(node.spent_credits)} of {credits(node.budget_credits)} credits are spent.</Notice></div>;
}
