// SPDX-License-Identifier: Apache-2.0
import { useLayoutEffect, useState } from 'preact/hooks'

/** A value that components follow. */
export interface Store<T> {
    get(): T
    set(value: T): void
    subscribe(call: () => void): () => void
}

export function store<T>(first: T): Store<T> {
    let value = first
    const calls = new Set<() => void>()
    return {
        get: () => value,
        set(next) {
            if (next === value) return
            value = next
            for (const call of [...calls]) call()
        },
        subscribe(call) {
            calls.add(call)
            return () => calls.delete(call)
        },
    }
}

export function useStore<T>(from: Store<T>): T {
    const [, again] = useState(0)
    // At once: what is set before the next frame is not to be missed.
    useLayoutEffect(() => from.subscribe(() => again(number => number + 1)), [from])
    return from.get()
}
