import type { ReactElement } from 'react';

const icon = (path: ReactElement) =>
  function Icon({ size = 16 }: { size?: number }) {
    return (
      <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
        {path}
      </svg>
    );
  };

export const TreeIcon = icon(<path d="M4 4.5v5A1.5 1.5 0 0 0 5.5 11H9M4 6.5h5M2.5 3h3M9.5 6.5h4M9.5 11h4" />);
export const ChartIcon = icon(<path d="M2.5 13.5h11M4 11V8M8 11V3.5M12 11V6" />);
export const PulseIcon = icon(<path d="M1.5 8.5h3l2-5 3 9 2-4h3" />);
export const PeopleIcon = icon(<path d="M6 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M11 3.300a2.5 2.5 0 0 1 0 4.5M12.5 9.800c1.300.6 2 1.900 2 3.7" />);
export const GearIcon = icon(<path d="M2 4.5h6.5M11.5 4.5H14M2 11.5h2.5M7.5 11.5H14M10 6a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM6 13a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3Z" />);
export const PlusIcon = icon(<path d="M8 3v10M3 8h10" />);
export const SearchIcon = icon(<path d="M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.7 10.7 14 14" />);
export const ChevronIcon = icon(<path d="m6 3.5 4.5 4.5L6 12.5" />);
export const DownIcon = icon(<path d="m3.5 6 4.5 4.5L12.5 6" />);
export const CopyIcon = icon(<path d="M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z" />);
export const CheckIcon = icon(<path d="m3 8.5 3.5 3.5L13 4.5" />);
export const CrossIcon = icon(<path d="m4 4 8 8M12 4l-8 8" />);
export const WarnIcon = icon(<path d="M8 2 1.5 13.5h13zM8 6.5v3M8 11.5v.1" />);
export const KeyIcon = icon(<path d="M5.5 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM7.7 7.800l5.300-5.300M10.5 5l2 2" />);
export const DownloadIcon = icon(<path d="M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11" />);
export const MoonIcon = icon(<path d="M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z" />);
export const SunIcon = icon(<path d="M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.400 3.400l.7.7M11.900 11.900l.7.7M12.6 3.400l-.7.7M4.100 11.900l-.7.7" />);
export const ExitIcon = icon(<path d="M6 2.5H2.5v11H6M10.5 5l3 3-3 3M13 8H6" />);
export const TableIcon = icon(<path d="M2 3h12v10H2zM2 6.5h12M2 10h12M6.5 6.5V13" />);
