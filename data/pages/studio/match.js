// Matches: a plan gait by gait, then the signal of all gaits at once.
class Plan {
  constructor(m, seed, weights, start) {
    const of = what => new Random(seed, `match/plan/${what} 0`)
    Object.assign(this, {m, t: m.tables, weights, K: m.about.labels.length, H: m.about.hidden, noise: of('traits'), actions: of('actions'), lengths: of('lengths')})
    this.x = new Float64Array(16)                         // scores of three gaits, traits of the last, noise and a 1
    this.prev = -1
    this.now = m.about.labels.indexOf(start)
    this.run = 1
    this.before = this.K
    this.h = new Float32Array(this.H)
    this.c = new Float32Array(this.H)
  }

  // Traits of a gait: log length, level, log spread
  traits(l) {
    const {x, t, K} = this
    for (let i = 12; i < 15; i++) x[i] = this.noise.normal()
    const [a, from, first, n] = this.prev < 0 ? [t.root, 9 * l, 12, 3] : [t.pair, 48 * (this.prev * K + l), 0, 16]
    const z = [0, 1, 2].map(r => { let s = 0; for (let i = 0; i < n; i++) s += a[from + r * n + i] * x[first + i]; return s })
    const v = z.map((o, j) => {
      const k = clip(o, -2.999, 2.999) * 20 + 60, i = Math.trunc(k), at = l * 363 + 3 * i + j
      return t.value[at] + (k - i) * (t.value[at + 3] - t.value[at])
    })
    x.copyWithin(3, 0, 6)
    for (let j = 0; j < 3; j++) { x[j] = clip(z[j], -4, 4); x[9 + j] = (v[j] - t.trait_centre[j]) / t.trait_centre[3 + j] }
    x[15] = 1
    this.prev = l
    return v
  }

  // Chances of the action after a gait, by the table and the LSTM
  chances(l, v) {
    const {t, K, H, h, c} = this, width = 4 * H + K, rows = 4 + H, at = l * rows * width
    const x = [1, ...v.map((o, j) => clip(f32(f32(o - t.next_centre[3 * l + j]) * t.next_inv[3 * l + j]), -3, 3)), ...h]
    const y = Array.from({length: width}, (_, j) => { let s = 0; for (let i = 0; i < rows; i++) s += x[i] * t.gates[at + i * width + j]; return f32(s) })
    const sigmoid = j => f32((f32(Math.tanh(y[j])) + 1) * .5)
    for (let i = 0; i < H; i++) {
      c[i] = f32(c[i] * sigmoid(H + i)) + f32(f32(Math.tanh(y[3 * H + i])) * sigmoid(i))
      h[i] = f32(Math.tanh(c[i])) * sigmoid(2 * H + i)
    }
    let p = Array.from({length: K}, (_, j) => { let s = 0; for (let i = 0; i < H; i++) s += h[i] * t.head[i * K + j]; return f32(f32(f32(s) + y[4 * H + j]) + t.table[(this.before * K + l) * K + j]) })
    const top = Math.max(...p)
    p = p.map(o => f32(Math.exp(f32(o - top))))
    const total = f32(sum(p))
    this.before = l
    return p.map(o => f32(o / total))
  }

  // How much likelier each action is to begin; the present one goes on as likely as before
  tilted(p, l) {
    const res = p.map((o, j) => j == l ? 0 : f32(o * this.weights[j])), total = sum(res)
    return total > 0 ? res.map((o, j) => j == l ? p[l] : f32(o * f32(f32(1 - p[l]) / f32(total)))) : p
  }

  gait() {
    const {t} = this, l = this.now, v = this.traits(l)
    let p = this.chances(l, v)
    if (this.weights.some(o => o != 1)) p = this.tilted(p, l)
    if (this.run >= t.longest[l]) p[l] = 0
    let s = 0
    const sums = p.map(o => s = f32(s + o)), limit = this.actions.double() * s
    this.now = Math.min(sums.filter(o => o < limit).length, this.K - 1)
    this.run = this.now == l ? this.run + 1 : 1
    const half = Math.exp(v[0]) / 2, even = this.lengths.double() < t.even[l]
    const n = clip(even ? 2 * rint(half) : 2 * Math.floor(half) + 1, t.limits[2 * l], t.limits[2 * l + 1])
    return {label: l, n, traits: [Math.log(n), v[1], v[2]]}
  }
}

async function signalOf(m, plan, seed) {
  const {labels, players, centre, scale, piece, reach, sample_noise: S, gait_noise: G, range} = m.about, K = labels.length
  const N = sum(plan.map(o => o.n)), C = K + players + 6, gait = new Int32Array(N), c = new Float32Array(C * N)
  let i = 0
  plan.forEach(({label, n, traits}, g) => {
    for (let at = 0; at < n; at++, i++) {
      gait[i] = g
      c[label * N + i] = c[K * N + i] = 1
      const rows = [Math.log1p(at) / 2 - 1, Math.log1p(n - 1 - at) / 2 - 1, (at + .5) / n * 2 - 1, ...traits.map((o, j) => (o - centre[j]) / scale[j])]
      rows.forEach((o, j) => { c[(C - 6 + j) * N + i] = o })
    }
  })
  const fresh = normal(seed, 'match/samples', N * S), each = normal(seed, 'match/gaits', plan.length * G), w = new Float32Array(N)
  for (let s = 0; s < N; s += piece) {
    const a = Math.max(s - reach, 0), b = Math.min(s + piece + reach, N), size = s + piece + reach - a
    const cond = new Float32Array(C * size), z = new Float32Array((S + G) * size), mask = new Float32Array(size).fill(1, 0, b - a)
    for (let k = 0; k < C; k++) cond.set(c.subarray(k * N + a, k * N + b), k * size)
    for (let j = a; j < b; j++) {
      for (let k = 0; k < S; k++) z[k * size + j - a] = fresh[j * S + k]
      for (let k = 0; k < G; k++) z[(S + k) * size + j - a] = each[gait[j] * G + k]
    }
    const [wave] = await run('match', 'waves', ['float32', cond, [1, C, size]], ['float32', mask, [1, size]], ['float32', z, [1, S + G, size]])
    w.set(wave.data.subarray(s - a, Math.min(s - a + piece, N - a)), s)
  }
  let from = 0
  return plan.map(({label, n, traits: [, level, spread]}) => {
    const own = w.subarray(from, from += n), mean = sum(own) / n, d = Array.from(own, o => o - mean)
    const dev = Math.sqrt(sum(d.map(o => o * o)) / n + 1e-4), size = Math.max(Math.exp(spread) - .03, 0) / dev
    return {label: labels[label], norm: d.map(o => rint(Math.exp(clip(level + o * size, ...range)) * 1000) / 1000)}
  })
}

// The same match as `generate_match(minutes, style, seed, start, strength=strength)`
draw.match = async (minutes, style, strength, start, seed) => {
  const m = models.match, {labels, styles, rate, beyond} = m.about
  const weights = labels.map(l => styles[style].includes(l) ? f32(3 ** strength) : 1), p = new Plan(m, seed, weights, start), plan = []
  let left = rint(minutes * 60 * rate)
  while (left > .5) { plan.push(p.gait()); left -= plan.at(-1).n }
  for (let i = 0; i < beyond; i++) plan.push(p.gait())
  const gaits = await signalOf(m, plan, stream(seed, 'match/signal 0 0'))
  return gaits.slice(0, plan.length - beyond)
}
