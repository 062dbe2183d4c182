// Monsters: noise and features of a seed, styles, sprites; then their motion.
function monsterNoise(m, seed, cls) {
  const {latent, features, blur} = m.about, z = [...normal(seed, 'monsters/latents', latent)]
  if (!features) return Float32Array.from(z)
  const {rows, y} = m.tables, same = [...y.keys()].filter(i => y[i] == cls)
  const at = same[Math.floor(new Random(seed, 'monsters/latents, pick').float() * same.length)] * features
  const noise = normal(seed, 'monsters/latents, features', features)
  return Float32Array.from([...z, ...noise.map((o, i) => f32(rows[at + i] + f32(blur * o)))])
}

// Parts of fewer than six pixels go, and veils apart from the figure
function removeSpecks(x, h, w, speck = 6, faint = 26) {
  const n = h * w, part = new Int32Array(n).fill(-1), keep = new Uint8Array(n), around = i => {
    const r = Math.floor(i / w), c = i % w, all = []
    for (let a = Math.max(0, r - 1); a <= Math.min(h - 1, r + 1); a++) for (let b = Math.max(0, c - 1); b <= Math.min(w - 1, c + 1); b++) all.push(a * w + b)
    return all
  }
  for (let i = 0; i < n; i++) {
    if (part[i] >= 0 || x[3 * n + i] < faint) continue
    const found = [i]
    part[i] = i
    for (let k = 0; k < found.length; k++) for (const j of around(found[k])) if (part[j] < 0 && x[3 * n + j] >= faint) { part[j] = i; found.push(j) }
    if (found.length >= speck) for (const j of found) for (const o of around(j)) keep[o] = 1
  }
  return x.map((o, i) => o * keep[i % n])
}

// Styles of all layers of {from, cls, seed, truncation, shift}, `from` being the name of the weights; of a cross, the later layers are those of its `mate`
async function stylesOf({from = 'monsters', cls, seed, truncation, shift, mate, at}) {
  const m = models[from], {layers, style, classes, traits} = m.about, y = classes.indexOf(cls)
  const z = monsterNoise(m, seed, y)
  const [w] = await run(from, 'styles', ['float32', z, [1, z.length]], ['int64', longs([y]), [1]], ['float32', Float32Array.of(truncation), [1]])
  const own = w.data.map((o, j) => { for (let k = 0; k < traits; k++) o += (shift?.[k] || 0) * m.tables.directions[k * style + j]; return o })
  const ws = new Float32Array(layers * style)
  for (let l = 0; l < layers; l++) ws.set(own, l * style)
  if (mate) ws.set((await stylesOf(mate)).subarray(at * style), at * style)
  return ws
}
draw.monster = async recipe => {
  const from = recipe.from || 'monsters', {layers, style, size} = models[from].about
  const [out] = await run(from, 'pictures', ['float32', await stylesOf(recipe), [1, layers, style]])
  return removeSpecks(Uint8Array.from(out.data), size, size)
}

// A sprite in the square of the animator, in the middle where it was drawn in another
function standingPose(x, from, to) {
  const n = from * from, out = new Uint8Array(4 * to * to)
  let box = [from, from, 0, 0]
  for (let i = 0; i < n; i++) if (x[3 * n + i]) box = [Math.min(box[0], i % from), Math.min(box[1], Math.floor(i / from)), Math.max(box[2], i % from + 1), Math.max(box[3], Math.floor(i / from) + 1)]
  const dx = from == to ? 0 : Math.floor(to / 2 - (box[2] - box[0]) / 2 + .5) - box[0], dy = from == to ? 0 : Math.floor(to / 2 - (box[3] - box[1]) / 2 + .5) - box[1]
  for (let r = box[1]; r < box[3]; r++) for (let c = box[0]; c < box[2]; c++) {
    const i = r * from + c, j = (r + dy) * to + c + dx
    if (x[3 * n + i]) for (let k = 0; k < 4; k++) out[k * to * to + j] = x[k * n + i]
  }
  return out
}
function padded(x, planes, size, margin, edge) {
  const big = size + 2 * margin, out = new x.constructor(planes * big * big)
  for (let p = 0; p < planes; p++) for (let r = 0; r < big; r++) for (let c = 0; c < big; c++) {
    const a = r - margin, b = c - margin, inside = a >= 0 && b >= 0 && a < size && b < size
    if (inside || edge) out[(p * big + r) * big + c] = x[(p * size + clip(a, 0, size - 1)) * size + clip(b, 0, size - 1)]
  }
  return out
}
async function cycle(stand, flow, n, gain, margin) {
  const {size} = models.animate.about, big = size + 2 * margin, t = Float32Array.from({length: n}, (_, i) => f32(i / n))
  const [d] = await run('animate', 'motion', ['float32', flow.data, flow.shape], ['float32', t, [n]], ['float32', Float32Array.of(gain), [1]])
  const [out] = await run('animate', 'warp', ['uint8', padded(stand, 4, size, margin), [1, 4, big, big]], ['float32', padded(d.data, 2 * n, size, margin, true), [n, 2, big, big]])
  return out.data
}
function meanChange(frames, n, stand) {
  const k = stand.length / 4, value = (f, c, i) => frames[(4 * f + c) * k + i] / 255 * (c < 3 ? frames[(4 * f + 3) * k + i] / 255 : 1)
  let total = 0
  for (let f = 0; f < n; f++) for (let c = 0; c < 4; c++) for (let i = 0; i < k; i++) total += Math.abs(value(f, c, i) - value((f + 1) % n, c, i))
  return total / (n * 4 * k) / (sum(stand.subarray(3 * k)) / 255 / k)
}

// Frames of a motion, with a margin around them; as `animate` makes them
draw.animate = async (sprite, motion, seed, margin) => {
  const {size, latent, motions, loops, timing, change} = models.animate.about, stand = standingPose(sprite, Math.sqrt(sprite.length / 4), size)
  const number = longs(Array(4).fill(motions.indexOf(motion))), [n, fps] = timing[motion]
  const [flow] = await run('animate', 'flow', ['uint8', stand, [1, 4, size, size]], ['int64', number, [4]], ['float32', normal(seed, 'animate/latents', 4 * latent), [4, latent]])
  let lo = .3, hi = 3
  for (let i = 0; i < 6; i++) {
    const mid = Math.sqrt(lo * hi)
    if (meanChange(await cycle(stand, flow, n, mid, 0), n, stand) < change[motion]) lo = mid; else hi = mid
  }
  const frames = await cycle(stand, flow, n, Math.sqrt(lo * hi), margin)
  return {frames, n, side: size + 2 * margin, ms: Math.round(1000 / fps), loop: motion == 'idle' || loops.includes(motion)}
}
