// Motions of a rig, as `gamegen.monster.motion` makes them, by curves that Python writes.
function valueOf({terms, floor, points, slope}, t) {
  if (points.length) {
    const i = clip(points.filter(([at]) => at <= t).length - 1, 0, points.length - 2), [[t0, v0], [t1, v1]] = points.slice(i), u = clip((t - t0) / (t1 - t0), 0, 1)
    return v0 + (v1 - v0) * u * u * (3 - 2 * u)
  }
  const v = terms.reduce((s, [a, k, p]) => s + a * Math.cos(2 * Math.PI * (k * t + p)), slope * t)
  return floor === null ? v : Math.max(v, floor)
}
function deathOf({deaths}, rig) {
  if (rig.kind == 'ghost') return deaths.fade
  if (['biped', 'robe', 'flyer'].includes(rig.kind) && spread(rig.g.xs(rig.body)) < .98 * rig.height) return deaths.fall
  const legs = (rig.ground - rig.hip) / rig.height, {y} = deaths.sink
  return {...deaths.sink, y: {...y, points: y.points.map(([t, v]) => [t, legs * v])}}
}
const suits = ({motions}, rig) => motions.filter(o => ['flyer', 'ghost'].includes(rig.kind) ? !['walk', 'run'].includes(o) : o != 'fly' || rig.parts.some(p => p.role == 'wing'))

function poses(moves, rig, motion, n, seed) {
  const rng = new Random(seed, 'rig/manner'), hover = rig.kind == 'flyer' && motion == 'idle'
  if (rig.kind == 'flyer' && ['walk', 'run', 'idle'].includes(motion)) motion = 'fly'
  const curves = motion == 'die' ? deathOf(moves, rig) : moves.curves[motion][rig.kind], loops = moves.loops.includes(motion)
  const times = range(n).map(i => loops ? i / n : (i + 1) / (motion == 'die' ? n : n + 1)), out = times.map(() => ({...moves.pose}))
  for (const [name, rest] of Object.entries(moves.pose)) {
    const size = .85 + (1.15 - .85) * rng.double(), late = -.04 + (.04 + .04) * rng.double()
    if (!curves[name]) continue
    const own = ['tail', 'head', 'arm', 'strike'].includes(name) && loops ? late : 0, k = (hover ? .6 : 1) * (['turn', 'phase', 'fade'].includes(name) ? 1 : size)
    times.forEach((t, i) => { out[i][name] = rest + k * (valueOf(curves[name], t + own) - rest) })
  }
  return out
}

const turned = (x, y, [cx, cy], degrees) => {
  const c = Math.cos(degrees * Math.PI / 180), s = Math.sin(degrees * Math.PI / 180), dx = x - cx, dy = y - cy
  return [cx + c * dx - s * dy, cy + s * dx + c * dy]
}
// Where a point of a falling body comes from: it turns about its feet, and lies where it stood
function fallOf(rig, {turn}) {
  if (!turn) return (x, y) => [x, y]
  const feet = [rig.middle, rig.ground], at = where(rig.body).map(i => turned(i % rig.g.w + .5, Math.floor(i / rig.g.w) + .5, feet, turn))
  const back = rint(.7 * (rig.middle - mean(at.map(o => o[0])))), down = rint(rig.ground - Math.max(...at.map(o => o[1])) - .5)
  return (x, y) => turned(x - back, y - down, feet, -turn)
}
function fromTrunk(rig, p, x, y) {
  const h = rig.height
  let up = rig.hip - y + p.y * h
  if (up > 0) up /= p.squash
  const high = clip(up / Math.max(rig.hip - rig.top, 1), 0, 1.5)
  x = x - p.x * h - p.lean * h * high
  if (p.wave) x -= p.wave * h * (rig.kind == 'ghost' ? 1 - high : 1) * Math.sin(2 * Math.PI * (up / h - p.phase))
  if (p.wide != 1) x = rig.middle + (x - rig.middle) / p.wide
  return [x, rig.hip - up]
}
function fromLeg(rig, p, part, x, y) {
  const h = rig.height, name = part.phase ? 'b' : 'a', moves = part.role == 'leg' ? part.gain * h : 0
  const step = moves * p[`step_${name}`], lift = Math.max(moves * p[`lift_${name}`], 0), hip = rig.hip + p.y * h
  const v = (y - hip) / Math.max(part.tip[1] - lift - hip, 1), bend = clip(v, 0, 1.1)
  return [x - p.x * h * (1 - bend) - step * bend - lift * bend * (1 - bend), v < 0 ? -1 : rig.hip + v * (part.tip[1] - rig.hip)]
}
function anglesOf({role, side, gain, phase}, p) {
  if (role == 'wing') return [-side * p.wing * gain, -.35 * side * p.wing]
  if (role == 'tail') return [0, p.tail]
  if (role == 'head') return [p.head * gain, 0]
  if (role == 'held') return [p.strike * gain, 0]
  return [(phase ? -gain : gain) * p.arm, 0]
}
function fromLimb(part, [angle, more], x, y) {
  if (!angle && !more) return [x, y]
  const [px, py] = part.pivot, dx = x - px, dy = y - py, r = Math.hypot(dx, dy), u = clip(r / part.reach, 0, 1), far = Math.max(apart(part.pivot, part.tip), 1)
  const a = -(angle * u * u * (3 - 2 * u) + more * clip(r / far, 0, 1.2)) * Math.PI / 180, c = Math.cos(a), s = Math.sin(a)
  return [px + c * dx - s * dy, py + s * dx + c * dy]
}
// First and last row and column that a part can reach
function windowOf(rig, part, p, h, w, margin) {
  if (p.turn || p.wave || p.wide != 1) return [0, h, 0, w]
  let [top, end, left, right] = part.box
  if (!['leg', 'seam', 'trunk', 'shadow'].includes(part.role)) {
    const [x, y] = part.pivot, r = Math.max(...[left, right].flatMap(a => [top, end].map(b => apart(part.pivot, [a, b]))))
    top = Math.min(top, y - r); end = Math.max(end, y + r); left = Math.min(left, x - r); right = Math.max(right, x + r)
  }
  const shifts = ['x', 'y', 'step_a', 'step_b', 'lift_a', 'lift_b'].map(o => Math.abs(p[o]))
  const by = rig.height * (Math.max(...shifts) + 1.5 * Math.abs(p.lean) + 1.5 * Math.abs(1 - p.squash)) + 2, at = o => rint(o) + margin
  return [Math.max(at(top - by), 0), clip(at(end + by) + 1, 0, h), Math.max(at(left - by), 0), clip(at(right + by) + 1, 0, w)]
}
// A rig in a pose, onto bytes (4,h,w) with a margin on every side
function drawPose(rig, p, margin, out) {
  const {h, w} = rig.g, H = h + 2 * margin, W = w + 2 * margin, n = H * W, fall = fallOf(rig, p), shift = rint(.5 * p.x * rig.height)
  for (const part of rig.parts) {
    const [top, end, left, right] = windowOf(rig, part, p, H, W, margin), image = part.image || rig.image, angles = anglesOf(part, p)
    for (let r = top; r < end; r++) for (let c = left; c < right; c++) {
      let x = c + .5 - margin, y = r + .5 - margin
      if (part.role == 'shadow') x -= shift
      else {
        [x, y] = fall(x, y)
        if (part.role == 'leg' || part.role == 'seam') [x, y] = fromLeg(rig, p, part, x, y)
        else [x, y] = fromTrunk(rig, p, x, y)
        if (ORDER[part.role] && part.role != 'leg' && part.role != 'seam') [x, y] = fromLimb(part, angles, x, y)
      }
      const i = Math.floor(y + 1e-3), j = Math.floor(x + 1e-3)
      if (i < 0 || j < 0 || i >= h || j >= w || !part.mask[i * w + j]) continue
      for (let k = 0; k < 4; k++) out[k * n + r * W + c] = image[4 * (i * w + j) + k]
    }
  }
  if (p.fade) { const rng = new Random(0); for (let i = 0; i < n; i++) if (rng.double() < p.fade) for (let k = 0; k < 4; k++) out[k * n + i] = 0 }
  for (let i = 0; i < n; i++) if (!out[3 * n + i]) for (let k = 0; k < 3; k++) out[k * n + i] = 0
}

// The motions that suit a sprite (4,size,size) of a class, each {name, frames, n, side, ms, loop}
draw.motions = (x, cls, seed, margin) => {
  const {moves} = models.monsters.about, size = Math.sqrt(x.length / 4), rig = findRig(x, size, size, moves.kind_of[cls]), side = size + 2 * margin
  return suits(moves, rig).map(name => {
    const [n, fps] = moves.timing[name], frames = new Uint8Array(4 * n * side * side)
    poses(moves, rig, name, n, seed).forEach((p, f) => drawPose(rig, p, margin, frames.subarray(4 * f * side * side, 4 * (f + 1) * side * side)))
    return {name, frames, n, side, ms: rint(1000 / fps), loop: moves.loops.includes(name)}
  })
}
