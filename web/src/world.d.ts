// SPDX-License-Identifier: Apache-2.0
/** Made by build.mjs: [two letters or "", English name, path on a map of 1000 by 500]. */
declare module 'world-outline' {
    const outlines: [code: string, name: string, path: string][]
    export default outlines
}
