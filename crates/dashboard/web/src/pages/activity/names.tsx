import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { delegationQuery } from '../../api/delegations';
import { membersQuery } from '../../api/members';
import { useSession } from '../../api/session';
import { Label } from '../../parts/text';
import styles from './Activity.module.css';

interface NameProps {
  id: string;
  /** What is known of the name already. */
  known?: string | null | undefined;
  look?: 'link' | 'plain';
}

/** What stands behind an id, by the name that people know it by. */
export function Name({ id, known, look = 'link' }: NameProps) {
  if (id.startsWith('dlg_')) return <DelegationName id={id} known={known} look={look} />;
  if (id.startsWith('usr_')) return <MemberName id={id} known={known} />;
  if (id.startsWith('ten_')) return <OrganisationName />;
  return known ? <Label>{known}</Label> : <code className={styles.id}>{id}</code>;
}

function DelegationName({ id, known, look }: Required<Pick<NameProps, 'id' | 'look'>> & Pick<NameProps, 'known'>) {
  const delegation = useQuery(delegationQuery(id));
  const label = delegation.data?.label ?? known ?? id;
  return look === 'link' ? <Link to={`/delegations/${id}`}><Label>{label}</Label></Link> : <Label>{label}</Label>;
}

function MemberName({ id, known }: NameProps) {
  const members = useQuery(membersQuery);
  const email = known ?? members.data?.find((member) => member.id === id)?.email;
  return email ? <Label>{email}</Label> : <code className={styles.id}>{id}</code>;
}

function OrganisationName() {
  return <Label>{useSession().tenant.organization}</Label>;
}
