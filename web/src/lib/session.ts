// SPDX-License-Identifier: Apache-2.0
import { api, setCsrf, whenLoggedOut } from './api'
import { store, useStore } from './store'
import type { Me, Role } from './types'

/** undefined: not known yet; null: nobody is logged in. */
export const me = store<Me | null | undefined>(undefined)
const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 }

export function enter(who: Me): void {
    setCsrf(who.csrf)
    me.set(who)
}
export async function whoAmI(): Promise<void> {
    try {
        enter(await api.get<Me>('/me'))
    } catch {
        me.set(null)
    }
}
export async function leave(): Promise<void> {
    try {
        await api.post('/logout')
    } finally {
        setCsrf('')
        me.set(null)
    }
}
whenLoggedOut(() => {
    if (me.get()) me.set(null)
})

export function useMay(role: Role): boolean {
    const who = useStore(me)
    return !!who && RANK[who.role] >= RANK[role]
}
