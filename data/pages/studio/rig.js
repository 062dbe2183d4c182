// A sprite taken apart, as `gamegen.monster.rig` does it: masks are bytes (h,w), images RGBA bytes (h,w,4).
const ORDER = {shadow: -30, tail: -22, wing: -21, seam: -20, leg: -10, trunk: 0, head: 1, arm: 2, held: 3}
const WRIGGLE = ['crawler', 'serpent', 'flyer', 'ghost']
const range = n => Array.from({length: n}, (_, i) => i)
const count = m => { let n = 0; for (let i = 0; i < m.length; i++) n += m[i]; return n }
const mean = a => sum(a) / a.length
const spread = a => Math.max(...a) - Math.min(...a)
const where = m => { const at = []; for (let i = 0; i < m.length; i++) if (m[i]) at.push(i); return at }
const both = (a, f) => a.map((o, i) => +f(o, i))
const union = (masks, n) => masks.reduce((all, m) => all.map((o, i) => o | m[i]), new Uint8Array(n))

class Grid {                                             // what depends on the width
  constructor(h, w) { Object.assign(this, {h, w, n: h * w}) }
  near(i) {
    const {h, w} = this, r = Math.floor(i / w), c = i % w, all = []
    for (let a = Math.max(0, r - 1); a <= Math.min(h - 1, r + 1); a++) for (let b = Math.max(0, c - 1); b <= Math.min(w - 1, c + 1); b++) if (a != r || b != c) all.push(a * w + b)
    return all
  }
  xs(m) { return where(m).map(i => i % this.w) }
  ys(m) { return where(m).map(i => Math.floor(i / this.w)) }
  box(m) { const x = this.xs(m), y = this.ys(m); return [Math.min(...y), Math.max(...y) + 1, Math.min(...x), Math.max(...x) + 1] }
  grown(m, times = 1) {
    for (let k = 0; k < times; k++) { const out = m.slice(); for (const i of where(m)) for (const j of this.near(i)) out[j] = 1; m = out }
    return m
  }
  inner(m) { const out = new Uint8Array((this.h - 2) * (this.w - 2)); return out.map((_, i) => m[(Math.floor(i / (this.w - 2)) + 1) * this.w + i % (this.w - 2) + 1]) }
  padded(m) { const out = new Uint8Array((this.h + 2) * (this.w + 2)); for (const i of where(m)) out[(Math.floor(i / this.w) + 1) * (this.w + 2) + i % this.w + 1] = 1; return out }
  largest(m) {                                           // the largest connected part
    const part = new Int32Array(this.n).fill(-1)
    let best = []
    for (const i of where(m)) if (part[i] < 0) {
      const found = [i]
      part[i] = i
      for (let k = 0; k < found.length; k++) for (const j of this.near(found[k])) if (m[j] && part[j] < 0) { part[j] = i; found.push(j) }
      if (found.length > best.length) best = found
    }
    const out = new Uint8Array(this.n)
    for (const i of best) out[i] = 1
    return out
  }
  depth(m) {                                             // distance to what lies outside; the outermost pixels lie outside
    const {h, w, n} = this, up = new Float64Array(n).fill(h), d = new Float64Array(n)
    for (let c = 0; c < w; c++) {
      for (let r = 0, last = -h; r < h; r++) { if (!m[r * w + c]) last = r; up[r * w + c] = r - last }
      for (let r = h - 1, last = 2 * h; r >= 0; r--) { if (!m[r * w + c]) last = r; up[r * w + c] = Math.min(up[r * w + c], last - r) }
    }
    for (const i of where(m)) {
      const row = i - i % w, x = i % w
      let best = Infinity
      for (let c = 0; c < w; c++) best = Math.min(best, up[row + c] ** 2 + (x - c) ** 2)
      d[i] = Math.sqrt(best)
    }
    return d
  }
  geodesic(m, start) {                                   // length of the shortest way within a mask
    const d = new Float64Array(this.n).fill(Infinity), queue = [start]
    d[start] = 0
    for (let k = 0; k < queue.length; k++) for (const j of this.near(queue[k])) if (m[j]) {
      const i = queue[k], to = d[i] + (i % this.w == j % this.w || Math.abs(i - j) == 1 ? 1 : Math.SQRT2)
      if (to < d[j]) { d[j] = to; queue.push(j) }
    }
    return d
  }
}

function splitShadow(a, g) {
  const seen = new Uint8Array(g.n), faint = new Uint8Array(g.n)
  for (let i = 0; i < g.n; i++) {
    seen[i] = a[4 * i + 3] > 8
    faint[i] = seen[i] && a[4 * i + 3] < 230 && Math.max(a[4 * i], a[4 * i + 1], a[4 * i + 2]) < 80
  }
  const body = both(seen, (o, i) => o && !faint[i])
  if (count(body) < .3 * count(seen)) return [seen, new Uint8Array(g.n)]
  const [top, end] = g.box(body), low = (top + Math.floor(2 * (end - 1 - top) / 3)) * g.w
  const shadow = both(faint, (o, i) => o && i >= low)
  return [both(seen, (o, i) => o && !shadow[i]), shadow]
}

// What sticks out of a core: [tip, pixels], up to where two of them meet
function branches(dist, least, g) {
  const order = [...dist.keys()].filter(i => isFinite(dist[i])).sort((a, b) => dist[b] - dist[a] || a - b)
  const root = {}, tip = {}, pixels = {}, found = []
  const find = i => { while (root[i] != i) i = root[i] = root[root[i]]; return i }
  for (const i of order) {
    const near = [...new Set(g.near(i).filter(j => j in root).map(find))].sort((a, b) => dist[tip[b]] - dist[tip[a]] || a - b)
    root[i] = i
    if (!near.length) { tip[i] = i; pixels[i] = [i]; continue }
    const keep = near[0], long = near.filter(r => dist[tip[r]] - dist[i] >= least)
    if (long.length > 1) {
      for (const r of long) if (pixels[r]) found.push([tip[r], pixels[r]])
      pixels[keep] = null
    }
    pixels[keep] = near.every(r => pixels[r]) ? [i].concat(...near.map(r => pixels[r])) : null
    for (const r of near) root[r] = keep
    root[i] = keep
  }
  return found
}
function asLimb(m, tip, pixels, big) {
  const own = new Uint8Array(big.n)
  for (const i of pixels) own[i] = 1
  const edge = big.grown(both(m, (o, i) => o && !own[i])), joint = both(own, (o, i) => o && edge[i])
  if (!count(joint)) return null
  const x = big.xs(joint), y = big.ys(joint), pivot = [mean(x) - .5, mean(y) - .5]
  const reach = Math.max(...x.map((o, i) => Math.hypot(o - .5 - pivot[0], y[i] - .5 - pivot[1]))) + 1
  const at = [tip % big.w - .5, Math.floor(tip / big.w) - .5], v = [at[0] - pivot[0], at[1] - pivot[1]], length = Math.max(Math.hypot(...v), 1)
  return {mask: big.inner(own), pivot, tip: at, reach, v, length, thick: pixels.length / length, size: pixels.length}
}
function findLimbs(body, g) {
  const big = new Grid(g.h + 2, g.w + 2), m = g.padded(body), at = where(m), x = big.xs(m), y = big.ys(m)
  const h = spread(y) + 1, d = big.depth(m), cx = mean(x), cy = mean(y), deepest = Math.max(...d)
  let core = 0, best = -Infinity
  at.forEach((i, k) => { const s = d[i] - deepest * (Math.hypot(y[k] - cy, x[k] - cx) / h); if (s > best) { best = s; core = i } })
  const far = big.geodesic(m, core), n = Math.floor(.22 * at.length), limbs = []
  for (let [tip, pixels] of branches(far, Math.max(3, .09 * h), big)) {
    if (pixels.length > n) { const least = pixels.map(i => far[i]).sort((a, b) => b - a)[n - 1]; pixels = pixels.filter(i => far[i] >= least) }
    const limb = asLimb(m, tip, pixels, big)
    if (limb && limb.size >= Math.max(4, .006 * at.length)) limbs.push(limb)
  }
  return limbs
}
function roleOf(limb, body, g) {
  const [top, ground, left, right] = g.box(body), h = ground - top, w = right - left
  const x = mean(g.xs(body)) + .5, y = mean(g.ys(body)) + .5, mx = mean(g.xs(limb.mask)) + .5, my = mean(g.ys(limb.mask)) + .5
  const {v: [vx, vy], tip: [tx, ty], thick} = limb
  if (ty > ground - .3 * h && vy > 0 && Math.abs(vx) < (thick > .16 * h ? 1.6 : 1.2) * vy) return 'leg'
  const upright = vy < 0 && Math.abs(vx) < .9 * -vy && thick > .08 * h
  if (upright && Math.abs(tx - x) < .25 * w && ty < top + .3 * h) return 'head'
  if (Math.abs(mx - x) < .17 * w && my < top + .36 * h && thick > .1 * h) return 'head'
  const broad = limb.size >= .1 * count(body) && thick > .12 * h && limb.length > .3 * h
  if (broad && ty < top + .5 * h && limb.pivot[1] < top + .65 * h) return 'wing'
  return vx < 0 && ty > y + .05 * h && Math.abs(vx) > .7 * Math.abs(vy) ? 'tail' : 'arm'
}
function nameLimbs(limbs, body, g) {
  for (const o of limbs) o.role = roleOf(o, body, g)
  limbs.filter(o => o.role == 'head').sort((a, b) => b.size - a.size).slice(1).forEach(o => { o.role = 'arm' })
  const wings = limbs.filter(o => o.role == 'wing')
  if (wings.length == 1 && wings[0].v[0] > 0) wings[0].role = 'arm'
  return limbs
}

// Maxima of a sequence, and the minimum between each two
function peaks(b, least) {
  const tops = [], lows = []
  let at = 0, rising = true
  b.forEach((v, i) => {
    if (rising ? v > b[at] : v < b[at]) at = i
    if (Math.abs(v - b[at]) < least) return
    (rising ? tops : lows).push(at)
    at = i
    rising = !rising
  })
  if (rising) tops.push(at)
  return [tops, lows.slice(0, Math.max(tops.length - 1, 0))]
}
function findLegs(rest, g) {
  const [top, ground] = g.box(rest), h = ground - top, low = new Array(g.w).fill(0)
  for (const i of where(rest)) low[i % g.w] = Math.floor(i / g.w) + 1
  const cols = range(g.w).filter(c => low[c] > ground - .45 * h), left = cols[0], right = cols.at(-1) + 1
  const b = [0, ...low.slice(left, right), 0], [tops, lows] = peaks(b, Math.max(2, .035 * h)), edges = [0, ...lows.map(i => i - 1), right - left], legs = []
  tops.forEach((t, k) => {
    if (k + 1 < edges.length && b[t] >= ground - .27 * h && edges[k + 1] - edges[k] >= Math.max(3, .08 * (right - 1 - left))) legs.push([left + edges[k], left + edges[k + 1], left + t - .5, b[t]])
  })
  return [legs, lows.length ? Math.min(...lows.map(i => b[i])) : ground]
}

const part = (role, mask, pivot, tip, more) => ({role, mask, pivot, tip, reach: 1, side: 1, phase: 0, gain: 1, order: ORDER[role], ...more})
function asLegs(rest, legs, hip, g) {
  const parts = []
  legs.forEach(([e0, e1, x, y], i) => {
    const from = i ? e0 : 0, to = i < legs.length - 1 ? e1 : g.w, m = both(rest, (o, p) => o && p >= hip * g.w && p % g.w >= from && p % g.w < to)
    if (count(m)) parts.push(part('leg', m, [mean(g.xs(m)), hip], [x, y], {phase: .5 * (i % 2), gain: Math.min(1, .13 * count(rest) / count(m)), order: ORDER.leg + y / 1e4}))
  })
  return parts
}
function darker(a) {                                     // in its own colours, those nearest to its shades
  const keys = new Set()
  for (let i = 0; i < a.length; i += 4) if (a[i + 3] > 200) keys.add(a[i] << 16 | a[i + 1] << 8 | a[i + 2])
  const all = [...keys].sort((x, y) => x - y), step = Math.floor(all.length / 64) + 1, some = all.filter((_, i) => i % step == 0), out = a.slice()
  if (some.length) for (let i = 0; i < a.length; i += 4) {
    const r = .55 * a[i], g = .55 * a[i + 1], b = .55 * a[i + 2]
    let best = Infinity, near = 0
    for (const k of some) { const d = (r - (k >> 16)) ** 2 + (g - (k >> 8 & 255)) ** 2 + (b - (k & 255)) ** 2; if (d < best) { best = d; near = k } }
    out[i] = near >> 16; out[i + 1] = near >> 8; out[i + 2] = near
  }
  return out
}
function seamOf(a, legs, g) {                            // what lies behind legs that touch
  const inside = union(legs.map(o => o.mask), g.n)
  let seam = union(legs.map(o => { const other = g.grown(both(inside, (v, i) => v && !o.mask[i])); return both(o.mask, (v, i) => v && other[i]) }), g.n)
  for (let k = 0; k < Math.max(2, rint(.07 * g.h)); k++) seam = both(seam, (o, i) => o || i % g.w && seam[i - 1] || i % g.w < g.w - 1 && seam[i + 1])
  return part('seam', both(seam, (o, i) => o && inside[i]), legs[0].pivot, [0, g.box(inside)[1]], {image: darker(a)})
}
function wholeShadow(a, shadow, body, g) {
  const colours = {}, between = new Uint8Array(g.n), not = m => both(m, o => !o)
  for (const i of where(shadow)) { const k = ((a[4 * i] * 256 + a[4 * i + 1]) * 256 + a[4 * i + 2]) * 256 + a[4 * i + 3]; colours[k] = (colours[k] || 0) + 1 }
  for (let r = 0; r < g.h; r++) {
    const x = range(g.w).filter(c => shadow[r * g.w + c])
    for (let c = x[0]; c <= x.at(-1); c++) between[r * g.w + c] = 1
  }
  let whole = both(between, (o, i) => o && body[i] || shadow[i])
  whole = g.grown(not(g.grown(not(whole))))
  const hidden = both(whole, (o, i) => o && body[i] && !shadow[i]), image = a.slice()
  const most = Object.keys(colours).map(Number).sort((x, y) => colours[y] - colours[x] || x - y)[0]
  for (const i of where(hidden)) image.set([Math.floor(most / 2 ** 24), most >> 16 & 255, most >> 8 & 255, most & 255], 4 * i)
  return part('shadow', union([shadow, hidden], g.n), [0, 0], [0, 0], {image})
}
function kindOf(a, body, shadow, limbs, legs, g) {
  const [top, ground, left, right] = g.box(body), h = ground - top, aspect = (right - left) / h, at = where(body)
  const wings = limbs.filter(o => o.role == 'wing'), slim = limbs.filter(o => ['arm', 'tail', 'leg'].includes(o.role) && o.thick < .12 * h)
  if (at.filter(i => a[4 * i + 3] < 200).length / at.length > .5) return 'ghost'
  if (count(shadow) && g.box(g.largest(shadow))[0] > ground + 1) return 'flyer'
  if (wings.length > 1 && sum(wings.map(o => o.size)) > .2 * at.length) return 'flyer'
  if (slim.length >= 5 && aspect > 1.2) return 'crawler'
  if (legs.length >= 3) return aspect > .75 ? 'quadruped' : 'biped'
  if (legs.length == 2) return aspect < 1.25 ? 'biped' : 'quadruped'
  if (aspect < 1.2) return 'robe'
  return limbs.some(o => o.role == 'tail') ? 'serpent' : 'blob'
}
const apart = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1])
function upperParts(limbs, body, kind, g) {
  const [top, ground, left, right] = g.box(body), h = ground - top
  const parts = limbs.filter(o => o.role != 'leg' || WRIGGLE.includes(kind)).map(o => {
    const joint = both(body, (v, i) => v && apart([i % g.w + .5, Math.floor(i / g.w) + .5], o.pivot) <= o.reach), side = o.v[0] > 0 ? 1 : -1
    return part(o.role == 'leg' ? 'arm' : o.role, union([o.mask, joint], g.n), o.pivot, o.tip, {reach: o.reach, side, phase: side > 0 ? 0 : .5, gain: clip(.2 * h / o.reach, .6, 1)})
  })
  const arms = parts.filter(p => p.role == 'arm'), foot = [(left + right) / 2, ground], reach = p => apart(p.tip, foot) + .2 * h * p.side
  if (kind == 'crawler') [...arms].sort((a, b) => a.side - b.side || a.pivot[1] - b.pivot[1]).forEach((p, i) => { p.phase = .5 * (i % 2) })
  else if (arms.length) {
    const best = arms.reduce((a, b) => reach(b) > reach(a) ? b : a)
    Object.assign(best, {role: 'held', order: ORDER.held, gain: best.gain * clip(apart(best.pivot, best.tip) / (.3 * h), .7, 1)})
  }
  return parts
}
function lowerParts(a, rest, kind, legs, notch, g) {
  const [top, ground] = g.box(rest), h = ground - top
  if (!['biped', 'quadruped', 'robe'].includes(kind)) return [[], ground]
  let hip = rint(clip(Math.min(notch, ground - .22 * h) - .05 * h, ground - .48 * h, ground - .2 * h))
  if (kind == 'robe' || !legs.length) {
    hip = rint(ground - .3 * h)
    const [, , left, right] = g.box(both(rest, (o, i) => o && i >= hip * g.w)), half = Math.floor((left + right) / 2)
    legs = [[left, half, (left + half) / 2, ground - 1], [half, right, (half + right) / 2, ground]]
  }
  const parts = asLegs(rest, legs, hip, g)
  if (parts.length > 1) parts.push(seamOf(a, parts, g))
  return [parts, hip]
}

// The rig of a sprite (4,h,w) of at most 96 pixels a side that looks to the right
function findRig(x, h, w, kind) {
  const g = new Grid(h, w), a = new Uint8Array(4 * g.n)
  for (let i = 0; i < g.n; i++) for (let c = 0; c < 4; c++) a[4 * i + c] = x[c * g.n + i]
  let [body, shadow] = splitShadow(a, g)
  const main = g.largest(body), [top, ground, left, right] = g.box(main), high = ground - top
  if (count(shadow)) {                                   // specks on the ground stay there
    const low = (top + Math.floor(2 * high / 3)) * w
    shadow = both(shadow, (o, i) => o || body[i] && !main[i] && i >= low)
    body = both(body, (o, i) => o && !shadow[i])
  }
  const tiny = count(main) < 40 || Math.min(high, right - left) < 8, limbs = tiny ? [] : nameLimbs(findLimbs(main, g), main, g)
  const upper = union(limbs.filter(o => o.role != 'leg').map(o => o.mask), g.n), rest = both(main, (o, i) => o && !upper[i])
  const [legs, notch] = count(rest) && !tiny ? findLegs(rest, g) : [[], ground]
  kind = tiny ? 'blob' : kind || kindOf(a, main, shadow, limbs, legs, g)
  const moved = union(limbs.filter(o => o.role != 'leg' || WRIGGLE.includes(kind)).map(o => o.mask), g.n)
  const [lower, hip] = tiny ? [[], ground] : lowerParts(a, rest, kind, legs, notch, g)
  const gone = union([moved, ...lower.filter(p => p.role == 'leg').map(p => p.mask)], g.n)
  const collar = g.grown(both(main, (o, i) => o && !moved[i]), Math.max(2, rint(.06 * high)))
  const trunk = both(body, (o, i) => o && !gone[i] || collar[i] && moved[i]), middle = mean(g.xs(main)) + .5
  const parts = [...upperParts(limbs, main, kind, g), ...lower, part('trunk', trunk, [middle, hip], [middle, top])]
  if (count(shadow)) parts.push(wholeShadow(a, shadow, body, g))
  parts.sort((p, q) => p.order - q.order)
  for (const p of parts) p.box = count(p.mask) ? g.box(p.mask) : [0, 1, 0, 1]
  return {g, image: a, body, parts, kind, hip, top, ground, middle, height: ground - top}
}
