import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { membersQuery } from '../../api/members';
import type { Member } from '../../api/schema';
import { grantable, useMay, useSession } from '../../api/session';
import { count } from '../../lib/format';
import { Button } from '../../parts/Button';
import { CsvButton, DataTable, type Column } from '../../parts/DataTable';
import { PlusIcon } from '../../parts/icons';
import { Card, Page } from '../../parts/Page';
import { Failed, Loading } from '../../parts/States';
import { Day, Label } from '../../parts/text';
import { ConfirmNotice } from './ConfirmNotice';
import { Invite } from './Invite';
import { OpenInvitations } from './OpenInvitations';
import { RemoveMember } from './RemoveMember';
import { RolePicker, ROLES } from './roles';
import styles from './Team.module.css';

/** Members and what each may do. */
export function TeamPage() {
  const members = useQuery(membersQuery);
  const may = useMay();
  const [inviting, setInviting] = useState(false);
  const [leaving, setLeaving] = useState<Member | null>(null);
  const { user } = useSession();
  const owners = members.data?.filter((member) => member.role === 'owner').length ?? 0;
  const columns = useColumns(owners, setLeaving);
  return (
    <Page
      title="Team"
      width="reading"
      lead={members.data ? count(members.data.length, 'member') : undefined}
      actions={may.managePeople ? <Button tone="primary" icon={<PlusIcon />} onPress={() => setInviting(true)}>Invite</Button> : null}
    >
      <ConfirmNotice />
      <Card title="Members" actions={<CsvButton name="members" columns={columns} rows={members.data ?? []} />} padding="none">
        {members.isPending ? <Loading what="the members" /> : null}
        {members.isError && !members.data ? <Failed error={members.error} what="The members" onRetry={() => void members.refetch()} /> : null}
        {members.data ? <DataTable caption="Members" columns={columns} rows={members.data} rowKey={(member: Member) => member.id} /> : null}
      </Card>
      {may.managePeople ? <OpenInvitations /> : null}
      <Card title="What each role may do">
        <dl className={styles.roles}>
          {ROLES.map((role) => (
            <div key={role.id}>
              <dt>{role.name}</dt>
              <dd>{role.note}</dd>
            </div>
          ))}
        </dl>
      </Card>
      <Invite isOpen={inviting} onClose={() => setInviting(false)} />
      {leaving ? <RemoveMember member={leaving} self={leaving.id === user.id} onClose={() => setLeaving(null)} /> : null}
    </Page>
  );
}

function useColumns(owners: number, onRemove: (member: Member) => void): Column<Member>[] {
  const { user } = useSession();
  const mine = grantable(user.role);
  const isLastOwner = (member: Member) => member.role === 'owner' && owners === 1;
  return [
    {
      id: 'email',
      name: 'E-mail',
      cell: (member) => (
        <span className={styles.who}>
          <Label wrap="break">{member.email}</Label>
          {member.id === user.id ? <span className={styles.you}>you</span> : null}
        </span>
      ),
      csv: (member) => member.email,
    },
    {
      id: 'role',
      name: 'Role',
      cell: (member) => <RolePicker member={member} options={mine} isFixed={!mine.includes(member.role) || isLastOwner(member)} />,
      csv: (member) => member.role,
    },
    { id: 'since', name: 'Member since', importance: 'wide', cell: (member) => <Day at={member.created_at} />, csv: (member) => member.created_at },
    {
      id: 'remove',
      name: 'Membership',
      align: 'end',
      cell: (member) => {
        const self = member.id === user.id;
        if (isLastOwner(member)) return <span className={styles.why}>The last owner stays</span>;
        if (!self && !mine.includes(member.role)) return null;
        return (
          <Button size="small" tone="quiet" onPress={() => onRemove(member)} aria-label={self ? 'Leave the organisation' : `Remove ${member.email}`}>
            {self ? 'Leave' : 'Remove'}
          </Button>
        );
      },
    },
  ];
}
