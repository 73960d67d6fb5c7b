import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Autocomplete, Dialog, Input, Menu, MenuItem, MenuSection, Header, Modal, ModalOverlay, SearchField, Button as AriaButton } from 'react-aria-components';
import { useNavigate } from 'react-router';
import { api, ok } from '../api/client';
import { useMay } from '../api/session';
import { useSettled } from '../lib/hooks';
import { SearchIcon } from '../parts/icons';
import { Label } from '../parts/text';
import styles from './Palette.module.css';

const mac = /Mac|iPhone|iPad/.test(navigator.platform);

/** ⌘K: go to any delegation or page by typing some of its name. */
export function Palette() {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.metaKey || event.ctrlKey) || event.altKey || event.shiftKey) return;
      event.preventDefault();
      setOpen((open) => !open);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  return (
    <>
      <AriaButton className={styles.opener ?? ''} onPress={() => setOpen(true)} aria-label="Go to…" aria-keyshortcuts="Meta+K Control+K">
        <SearchIcon />
        <span className={styles.openerText}>Go to…</span>
        <kbd className={styles.key}>{mac ? '⌘K' : 'Ctrl K'}</kbd>
      </AriaButton>
      <ModalOverlay isOpen={isOpen} onOpenChange={setOpen} isDismissable className={styles.scrim ?? ''}>
        <Modal className={styles.modal ?? ''}>
          <Dialog aria-label="Go to" className={styles.dialog ?? ''}>
            <Finder close={() => setOpen(false)} />
          </Dialog>
        </Modal>
      </ModalOverlay>
    </>
  );
}

const PAGES = [
  { to: '/delegations', name: 'Delegation & Budgets' },
  { to: '/spend', name: 'Spend' },
  { to: '/activity', name: 'Activity' },
  { to: '/team', name: 'Team' },
  { to: '/settings', name: 'Settings' },
];

function Finder({ close }: { close: () => void }) {
  const [text, setText] = useState('');
  const q = useSettled(text.trim(), 150);
  const navigate = useNavigate();
  const may = useMay();
  const found = useQuery({
    queryKey: ['find', q],
    enabled: q !== '',
    queryFn: async ({ signal }) => ok(api.GET('/api/cloud/delegation', { params: { query: { q, limit: 12 } }, signal })),
  });
  const pages = [...(may.manageDelegations ? [{ to: '/delegations/new', name: 'New delegation' }] : []), ...PAGES];
  const fitting = pages.filter((page) => page.name.toLowerCase().includes(text.trim().toLowerCase()));
  const delegations = q === '' ? [] : (found.data?.data ?? []);
  return (
    <Autocomplete inputValue={text} onInputChange={setText}>
      <SearchField aria-label="Name of a delegation or page" autoFocus className={styles.search ?? ''}>
        <SearchIcon />
        <Input className={styles.input ?? ''} placeholder="Name of a delegation or page" />
      </SearchField>
      <Menu
        aria-label="Places"
        className={styles.list ?? ''}
        onAction={(key) => {
          close();
          void navigate(String(key));
        }}
        renderEmptyState={() => <p className={styles.empty}>{found.isFetching ? 'Searching…' : 'Nothing has such a name.'}</p>}
      >
        {delegations.length > 0 ? (
          <MenuSection>
            <Header className={styles.header ?? ''}>Delegations</Header>
            {delegations.map((node) => (
              <MenuItem key={node.id} id={`/delegations/${node.id}`} textValue={node.label} className={styles.item ?? ''}>
                <Label>{node.label}</Label>
                <span className={styles.note}><bdi>{[node.cost_center, node.department].filter(Boolean).join(' · ')}</bdi></span>
              </MenuItem>
            ))}
          </MenuSection>
        ) : null}
        {fitting.length > 0 ? (
          <MenuSection>
            <Header className={styles.header ?? ''}>Pages</Header>
            {fitting.map((page) => (
              <MenuItem key={page.to} id={page.to} textValue={page.name} className={styles.item ?? ''}>{page.name}</MenuItem>
            ))}
          </MenuSection>
        ) : null}
      </Menu>
    </Autocomplete>
  );
}
