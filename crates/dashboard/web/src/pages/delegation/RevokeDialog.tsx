import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ok } from '../../api/client';
import type { Node } from '../../api/delegations';
import { asProblem } from '../../api/problem';
import type { Revocation } from '../../api/schema';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { TextField } from '../../parts/Field';
import { Failed, FormProblem, Loading, Notice } from '../../parts/States';
import { announce } from '../../parts/Toast';
import { hasChanged, impact, isTyped, needsTyping } from './revoke';
import styles from './DelegationPage.module.css';

/** Says what a revocation would do, and does it only as long as that is still so. */
export function RevokeDialog({ node, isOpen, onClose }: { node: Node; isOpen: boolean; onClose: () => void }) {
  return isOpen ? <Opened node={node} onClose={onClose} /> : null;
}

function Opened({ node, onClose }: { node: Node; onClose: () => void }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState('');
  const [reason, setReason] = useState('');
  const path = { id: node.id };
  const preview = useQuery({
    queryKey: ['revoke-preview', node.id],
    // What one decides by stays as it was shown, until one asks for it anew.
    staleTime: Infinity,
    gcTime: 0,
    queryFn: ({ signal }) => ok(api.POST('/api/cloud/delegation/{id}/revoke', { params: { path }, body: { dry_run: true }, signal })),
  });
  const revoke = useMutation({
    mutationFn: (seen: Revocation) => ok(api.POST('/api/cloud/delegation/{id}/revoke', { params: { path }, body: { if_version: seen.version, if_descendants: seen.descendants, ...(reason === '' ? {} : { reason }) } })),
    onSuccess: (receipt) => {
      announce('Revoked', impact(receipt));
      void client.invalidateQueries({ queryKey: ['delegation'] });
      void client.invalidateQueries({ queryKey: ['level'] });
      onClose();
    },
  });
  const stale = (revoke.error && asProblem(revoke.error).status === 409) || (preview.data !== undefined && hasChanged(node, preview.data));
  const mayGoOn = preview.data !== undefined && !stale && (!needsTyping(preview.data) || isTyped(typed, node));
  const renew = () => {
    revoke.reset();
    void preview.refetch();
  };

  return (
    <Dialog
      role="alertdialog"
      title={<>Revoke <bdi>{node.label}</bdi>?</>}
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button tone="danger" isDisabled={!mayGoOn} isPending={revoke.isPending} onPress={() => preview.data && revoke.mutate(preview.data)}>Revoke for good</Button>
        </>
      }
    >
      {preview.isPending ? <Loading what="what it would do" lines={2} /> : null}
      {preview.isError ? <Failed error={preview.error} what="What it would do" onRetry={renew} /> : null}
      {preview.data ? (
        <>
          <p className={styles.impact}>{impact(preview.data)}</p>
          <p className={styles.dim}>It cannot be undone. To stop it for a while, freeze it instead.</p>
          {stale ? (
            <Notice tone="warn" title="It has changed since this preview">
              Look at it again before you revoke it. <Button size="small" onPress={renew}>Preview again</Button>
            </Notice>
          ) : (
            <FormProblem error={revoke.error} />
          )}
          <TextField label="Reason" value={reason} onChange={setReason} maxLength={256} description="Optional; kept in the audit log." />
          {needsTyping(preview.data) ? (
            <TextField label="Type its name to confirm" value={typed} onChange={setTyped} autoComplete="off"
              description={<>The name is <bdi className={styles.quoted}>{node.label}</bdi>. Its id will do as well.</>} />
          ) : null}
        </>
      ) : null}
    </Dialog>
  );
}
