import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, ok } from '../../api/client';
import { membersQuery } from '../../api/members';
import type { Member, Role } from '../../api/schema';
import { sessionKey, useSession } from '../../api/session';
import { Select, type Option } from '../../parts/Field';
import { announce, complain } from '../../parts/Toast';

export const ROLES: readonly Option<Role>[] = [
  { id: 'owner', name: 'Owner', note: 'Everything, other owners included.' },
  { id: 'admin', name: 'Admin', note: 'Delegations, members except owners, and settings.' },
  { id: 'finance', name: 'Finance', note: 'Sees everything; exports, and sets alerts.' },
  { id: 'viewer', name: 'Viewer', note: 'Sees everything, changes nothing.' },
];

export function roleName(role: Role): string {
  return ROLES.find(({ id }) => id === role)?.name ?? role;
}

/** A member's role, which changes at once; who may not change it reads it. */
export function RolePicker({ member, options, isFixed }: { member: Member; options: readonly Role[]; isFixed: boolean }) {
  const client = useQueryClient();
  const { user } = useSession();
  const change = useMutation({
    mutationFn: (role: Role) => ok(api.PATCH('/api/cloud/user/{id}', { params: { path: { id: member.id } }, body: { role } })),
    onSuccess: (changed) => {
      client.setQueryData(membersQuery.queryKey, (members) => members?.map((other) => (other.id === changed.id ? changed : other)));
      announce(`${changed.email} is now ${roleName(changed.role).toLowerCase()}`, 'Their sessions have ended; they sign in anew.');
      // A new role ends one's own session as well.
      if (changed.id === user.id) void client.invalidateQueries({ queryKey: sessionKey });
    },
    onError: complain,
  });
  if (isFixed) return <>{roleName(member.role)}</>;
  return (
    <Select
      label={`Role of ${member.email}`}
      look="filter"
      value={change.isPending ? (change.variables ?? member.role) : member.role}
      options={ROLES.filter(({ id }) => options.includes(id))}
      onChange={(role) => (role === member.role ? undefined : change.mutate(role))}
    />
  );
}
