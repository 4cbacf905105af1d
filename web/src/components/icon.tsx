// SPDX-License-Identifier: Apache-2.0
// Icons drawn on a grid of 24, as strokes.
const PATHS = {
    overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
    sessions: 'M4 6h16v12H4zM4 7l8 6 8-6',
    logs: 'M5 6h14M5 10h14M5 14h9M5 18h11',
    policies: 'M4 6h9M17 6h3M4 12h3M11 12h9M4 18h11M19 18h1M15 4v4M9 10v4M17 16v4',
    access: 'M12 3l7.5 3v5.5c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.5V6zM9 12l2.2 2.2L15.5 10',
    greylisting: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4.5l3 1.5',
    rbl: 'M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01',
    spf: 'M4 7h16v10H4zM4 8l8 5 8-5M14 20l2 2 4-4',
    geo: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM3.5 12h17M12 3.5c3 3 3 14 0 17M12 3.5c-3 3-3 14 0 17',
    quotas: 'M4 17a8 8 0 1 1 16 0M12 17l4-5M4 17h2M18 17h2',
    restrictions: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM6.5 6.5l11 11',
    reputation: 'M12 4l2.4 5 5.6.7-4.1 3.8 1.1 5.5L12 16.3 7 19l1.1-5.5L4 9.7 9.6 9z',
    blacklist: 'M5 11h14v9H5zM8 11V8a4 4 0 0 1 8 0v3M12 15v2',
    settings: 'M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1M18.4 5.6l-2.1 2.1M7.7 16.3l-2.1 2.1',
    users: 'M9 5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM3 20c0-3.5 2.7-5.5 6-5.5s6 2 6 5.5M16 5.5a3.2 3.2 0 0 1 0 6M18 14.8c2 .7 3.2 2.4 3.2 5.2',
    audit: 'M7 3h7l4 4v14H7zM14 3v4h4M10 12h5M10 16h5',
    about: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 11v5M12 8h.01',
    check: 'M5 12.5l4.5 4.5L19 7.5',
    cross: 'M6 6l12 12M18 6L6 18',
    clock: 'M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM12 8.5V12l2.5 1.5',
    ban: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM7 17L17 7',
    eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
    minus: 'M6 12h12',
    plus: 'M12 5v14M5 12h14',
    search: 'M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM20 20l-4.5-4.5',
    menu: 'M4 7h16M4 12h16M4 17h16',
    warning: 'M12 4l9 16H3zM12 10v4M12 17h.01',
    play: 'M7 5l11 7-11 7z',
    pause: 'M8 5v14M16 5v14',
    up: 'M12 19V5M6 11l6-6 6 6',
    down: 'M12 5v14M6 13l6 6 6-6',
    right: 'M9 5l7 7-7 7',
    download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
    upload: 'M12 16V5M7 9l5-5 5 5M5 20h14',
    trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5',
    edit: 'M5 19l1-4L16.5 4.5l3 3L9 18zM14 7l3 3',
    refresh: 'M19 8a8 8 0 1 0 1 5M19 4v4h-4',
    sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4',
    moon: 'M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z',
    auto: 'M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16',
    logout: 'M14 5H6v14h8M11 12h9M17 8.5l3.5 3.5-3.5 3.5',
    keyboard: 'M3 7h18v10H3zM7 10.5h.01M10.5 10.5h.01M14 10.5h.01M17 10.5h.01M8 14h8',
    copy: 'M9 9h10v11H9zM15 9V4H5v11h4',
    inbound: 'M19 5L7 17M7 8v9h9',
    outbound: 'M5 19L17 7M8 7h9v9',
    filter: 'M4 6h16l-6 7v6l-4-2v-4z',
} as const
export type IconName = keyof typeof PATHS

export function Icon({ name, label }: { name: IconName; label?: string }) {
    return (
        <svg class="icon" viewBox="0 0 24 24" {...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': true })}>
            <path d={PATHS[name]} />
        </svg>
    )
}

export function Logo() {
    return (
        <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" fill="#1d78c4" />
            <path d="M16 5.5 25 9v7.2c0 5-3.7 8.6-9 10.8-5.3-2.2-9-5.8-9-10.8V9z" fill="#fff" />
            <path d="m10.5 13 5.5 4.5 5.5-4.5M10.5 12.7v7h11v-7z" fill="none" stroke="#1d78c4" stroke-width="1.9" stroke-linejoin="round" />
        </svg>
    )
}
