import { createBrowserRouter, Navigate, Outlet } from 'react-router';
import { AriaRouter } from './AriaRouter';
import { Crash, NotFound } from './Crash';
import { SignedIn } from './SignedIn';

const page = <K extends string>(load: () => Promise<Record<K, React.ComponentType>>, name: K) => async () => ({ Component: (await load())[name] });

/** Every address of the dashboard. Pages are loaded when they are first gone to. */
export const router = createBrowserRouter([
  {
    element: <AriaRouter><Outlet /></AriaRouter>,
    errorElement: <Crash />,
    hydrateFallbackElement: <></>,
    children: [
      { path: '/sign-in', lazy: page(() => import('../pages/account/SignIn'), 'SignIn') },
      { path: '/sign-up', lazy: page(() => import('../pages/account/SignUp'), 'SignUp') },
      { path: '/invite', lazy: page(() => import('../pages/account/AcceptInvite'), 'AcceptInvite') },
      { path: '/confirm', lazy: page(() => import('../pages/account/ConfirmEmail'), 'ConfirmEmail') },
      { path: '/reset', lazy: page(() => import('../pages/account/ResetPassword'), 'ResetPassword') },
      {
        element: <SignedIn />,
        children: [
          { path: '/', element: <Navigate to="/delegations" replace /> },
          { path: '/delegations', lazy: page(() => import('../pages/delegations/DelegationsPage'), 'DelegationsPage') },
          { path: '/delegations/new', lazy: page(() => import('../pages/create/CreatePage'), 'CreatePage') },
          { path: '/delegations/:id', lazy: page(() => import('../pages/delegation/DelegationPage'), 'DelegationPage') },
          { path: '/spend', lazy: page(() => import('../pages/spend/SpendPage'), 'SpendPage') },
          { path: '/activity', lazy: page(() => import('../pages/activity/ActivityPage'), 'ActivityPage') },
          { path: '/team', lazy: page(() => import('../pages/team/TeamPage'), 'TeamPage') },
          { path: '/settings', lazy: page(() => import('../pages/settings/SettingsPage'), 'SettingsPage') },
          { path: '*', element: <NotFound /> },
        ],
      },
    ],
  },
]);
