// SPDX-License-Identifier: Apache-2.0
import type { ComponentType, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'

/** A component of a chunk of its own, with room kept for it while it loads. */
export function lazy<P extends object>(load: () => Promise<{ default: ComponentType<P> }>, height: number): (given: P) => JSX.Element {
    let found: ComponentType<P> | null = null
    return function Lazy(given: P) {
        const [, again] = useState(0)
        useEffect(() => {
            if (!found) void load().then(module => { found = module.default; again(count => count + 1) })
        }, [])
        const Found = found
        return Found ? <Found {...given} /> : <div style={{ height }} aria-busy="true" />
    }
}
