import type { ReactNode } from 'react';
import { Menu, MenuItem, MenuTrigger, Popover, Button as AriaButton, Separator } from 'react-aria-components';
import { NavLink, useNavigate } from 'react-router';
import { useSession, useSignOut, useSwitch } from '../api/session';
import { useOnline } from '../lib/hooks';
import { DownIcon, ChartIcon, ExitIcon, GearIcon, MoonIcon, PeopleIcon, PulseIcon, SunIcon, TreeIcon } from '../parts/icons';
import { Label } from '../parts/text';
import { complain } from '../parts/Toast';
import { LiveBadge } from './Live';
import { Mark } from './Mark';
import { Palette } from './Palette';
import styles from './Shell.module.css';
import { useTheme, type Theme } from './theme';

const PLACES = [
  { to: '/delegations', name: 'Delegations', Icon: TreeIcon },
  { to: '/spend', name: 'Spend', Icon: ChartIcon },
  { to: '/activity', name: 'Activity', Icon: PulseIcon },
  { to: '/team', name: 'Team', Icon: PeopleIcon },
  { to: '/settings', name: 'Settings', Icon: GearIcon },
];

/** What is around every page: where one can go, who one is, and whether it is live. */
export function Shell({ children }: { children: ReactNode }) {
  const online = useOnline();
  return (
    <div className={styles.shell}>
      <a href="#content" className={styles.skip}>Skip to content</a>
      <header className={styles.side}>
        <div className={styles.brand}>
          <Mark />
          <span className={styles.name}>Subgrant</span>
        </div>
        <Palette />
        <nav aria-label="Main" className={styles.nav}>
          {PLACES.map(({ to, name, Icon }) => (
            <NavLink key={to} to={to} className={styles.place}>
              <Icon />
              <span>{name}</span>
            </NavLink>
          ))}
        </nav>
        <div className={styles.status}><LiveBadge /></div>
        <Account />
      </header>
      <main id="content" className={styles.content} tabIndex={-1}>
        {online ? null : (
          <p className={styles.offline} role="status">You are offline. What you see may be out of date; changes cannot be made until the connection is back.</p>
        )}
        {children}
      </main>
    </div>
  );
}

const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

function Account() {
  const { tenant, user, tenants } = useSession();
  const others = tenants.filter((other) => other.tenant_id !== tenant.id);
  const switchTo = useSwitch();
  const [theme, setTheme] = useTheme();
  const signOut = useSignOut();
  const navigate = useNavigate();
  const act = (key: React.Key) => {
    if (key === 'theme') setTheme(NEXT[theme]);
    const other = others.find(({ tenant_id }) => tenant_id === key);
    if (other) void switchTo(other.tenant_id).then(() => navigate('/delegations'), complain);
    if (key === 'sign-out') void signOut().then(() => navigate('/sign-in'), complain);
  };
  return (
    <div className={styles.account}>
      <MenuTrigger>
        <AriaButton className={styles.who ?? ''} aria-label={`Account: ${user.email}`}>
          <span className={styles.avatar} aria-hidden="true"><bdi>{[...tenant.organization][0]?.toUpperCase()}</bdi></span>
          <span className={styles.whoText}>
            <span className={styles.organization}><Label>{tenant.organization}</Label></span>
            <span className={styles.email}><Label>{`${user.email}`}</Label></span>
          </span>
          <DownIcon size={14} />
        </AriaButton>
        <Popover placement="top start" className={styles.menu ?? ''}>
          <p className={styles.menuHead}>Signed in as <bdi>{user.email}</bdi>, {user.role}</p>
          <Menu aria-label="Account" onAction={act}>
            <MenuItem id="theme" className={styles.item ?? ''} textValue="Change theme">
              {theme === 'dark' ? <MoonIcon /> : <SunIcon />} Theme: {theme}
            </MenuItem>
            {others.map((other) => (
              <MenuItem key={other.tenant_id} id={other.tenant_id} className={styles.item ?? ''} textValue={`Go to ${other.organization}`}>
                <PeopleIcon /> Go to {other.organization}
              </MenuItem>
            ))}
            <Separator className={styles.separator ?? ''} />
            <MenuItem id="sign-out" className={styles.item ?? ''} textValue="Sign out"><ExitIcon /> Sign out</MenuItem>
          </Menu>
        </Popover>
      </MenuTrigger>
    </div>
  );
}
