'use strict'
// The rules of the game, without a picture: the page shows them, and Node.js plays by them when the clone
// learns. Both give `game`, what gamegen.bestiary.game.game_data makes, and `ui`, what a visitor is shown.
const W = 15, H = 11, DIRS = {right:[1, 0], down:[0, 1], left:[-1, 0], up:[0, -1]}, NAMES = Object.keys(DIRS)
let who = 'you', rnd = random(game.seed), held = [], now = 0     // who plays: you, script or clone
let s = {screen:'title', level:-1, falls:0, beaten:[], steps:0, ticks:0, wins:0}
function random(a) { return () => { a = (a + 0x6D2B79F5) | 0; let t = Math.imul(a ^ a >>> 15, 1 | a); t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t; return ((t ^ t >>> 14) >>> 0)/4294967296 } }
const pick = a => a[Math.floor(rnd()*a.length)]

// --- what the statistics mean
const LEVEL = 50
const life = (o, up) => Math.floor((2*o.stats[0] + 31)*(LEVEL + up)/100) + LEVEL + up + 10
const value = (o, i, up) => Math.floor((2*o.stats[i] + 31)*(LEVEL + up)/100) + 5
const effect = (kind, types) => types.reduce((f, t) => { const c = game.chart[kind]; return f*(c.none.includes(t) ? 0 : c.strong.includes(t) ? 2 : c.weak.includes(t) ? .5 : 1) }, 1)
const hits = (a, b, move) => { const [i, j] = move.special ? [3, 4] : [1, 2]; return value(a.o, i, a.up)/value(b.o, j, b.up) }
function damage(a, b, move, luck) {
  const base = (2*(LEVEL + a.up)/5 + 2)*move.power*hits(a, b, move)/50 + 2
  return Math.max(1, Math.floor(base*(a.o.types.includes(move.type) ? 1.5 : 1)*effect(move.type, b.o.types)*(.85 + .15*luck)))
}
const fighter = (o, up) => ({o, up, hp:life(o, up), max:life(o, up), rest:2, show:'idle', since:now})

// --- mazes
const level = () => game.levels[s.level], wall = (x, y) => x < 0 || y < 0 || x >= W || y >= H || level().wall[y*W + x] == '1'
function start(o) { s.pal = fighter(o, 10); begin(0) }
function begin(i) {
  s.level = i; s.screen = 'maze'; s.seals = level().seals.map(o => [...o]); s.berries = level().berries.map(o => [...o])
  s.me = {at:[...level().start], from:[...level().start], t:1, flip:false, safe:0}
  s.wild = level().wild.map(o => ({id:o.creature, at:[...o.at], from:[...o.at], t:1, dir:pick(NAMES), flip:false}))
  s.pal.hp = s.pal.max
  ui.said()
}
const free = (x, y) => NAMES.filter(k => !wall(x + DIRS[k][0], y + DIRS[k][1]))
function walk(o, dir, pace) {                                    // from cell to cell
  if (o.t < 1) { o.t = Math.min(1, o.t + pace); return }
  if (!dir) return
  const [a, b] = DIRS[dir], x = o.at[0] + a, y = o.at[1] + b
  if (a) o.flip = a > 0
  if (wall(x, y)) return
  o.from = o.at; o.at = [x, y]; o.t = pace
}
const place = o => [o.from[0] + (o.at[0] - o.from[0])*o.t, o.from[1] + (o.at[1] - o.from[1])*o.t]
const far = (a, b) => { const [x, y] = place(a), [u, v] = place(b); return Math.hypot(x - u, y - v) }
function sees(o) {                                               // along a corridor, up to five cells
  const [dx, dy] = DIRS[o.dir]
  for (let k = 1, [x, y] = o.at; k < 6; k++) { x += dx; y += dy; if (wall(x, y)) return false; if (x == s.me.at[0] && y == s.me.at[1]) return true }
  return false
}
function mazeStep() {
  s.steps++
  if (s.me.safe) s.me.safe--
  walk(s.me, who == 'you' ? held[held.length - 1] : s.me.t < 1 ? null : players[who].way(), .13)
  for (const o of s.wild) {
    const hunts = !s.me.safe && sees(o)
    if (o.t >= 1 && !hunts) {
      const ways = free(...o.at), back = {right:'left', left:'right', up:'down', down:'up'}[o.dir], on = ways.filter(d => d != back)
      if (!ways.includes(o.dir) || rnd() < .3) o.dir = pick(on.length ? on : ways)
    }
    walk(o, o.dir, hunts ? .095 : .05)
    if (!s.me.safe && far(o, s.me) < .6) return fight(o)
  }
  const here = o => Math.abs(o[0] - place(s.me)[0]) + Math.abs(o[1] - place(s.me)[1]) < .5
  if (s.seals.some(here)) { s.seals = s.seals.filter(o => !here(o)); ui.said() }
  if (s.berries.some(here)) { s.berries = s.berries.filter(o => !here(o)); s.pal.hp = Math.min(s.pal.max, s.pal.hp + Math.ceil(s.pal.max/2)); ui.said() }
  if (!s.seals.length && here(level().gate)) fight(null)
}

// --- battles
function fight(wild) {
  s.screen = 'battle'; s.foe = fighter(game.creatures[wild ? wild.id : level().guardian], level().up); s.by = wild; s.wait = 0; s.queue = []
  s.line = (wild ? '' : 'The guardian of the gate: ') + s.foe.o.name + (s.foe.up > 0 ? '!' : '.')
  s.pal.rest = 2; ui.offer(); ui.said()
}
const movesOf = f => [...f.o.moves, ...(f.rest ? [{name:'Rest (' + f.rest + ')', rest:true}] : [])]
function best(f, foe) {                                          // the move that is expected to do most
  const moves = movesOf(f)
  if (f.rest && f.hp < .3*f.max && rnd() < .7) return moves.findIndex(m => m.rest)
  const worth = moves.map(m => m.rest ? -1 : damage(f, foe, m, .5))
  return worth.indexOf(Math.max(...worth))
}
function choose(i) {
  if (s.screen != 'battle' || s.queue.length || s.wait) return
  const mine = movesOf(s.pal)[i]
  if (!mine) return
  ui.hush()
  const its = movesOf(s.foe)[rnd() < .2 ? Math.floor(rnd()*s.foe.o.moves.length) : best(s.foe, s.pal)]
  const a = [s.pal, s.foe, mine], b = [s.foe, s.pal, its]
  const first = value(s.pal.o, 5, s.pal.up) + rnd() >= value(s.foe.o, 5, s.foe.up) + .5
  s.queue = first ? [a, b] : [b, a]
}
function act() {
  const [me, you, move] = s.queue.shift()
  if (me.hp <= 0) return
  if (move.rest) { me.rest--; me.hp = Math.min(me.max, me.hp + Math.ceil(me.max*.4)); s.line = me.o.name + ' rests.' }
  else {
    const e = effect(move.type, you.o.types)
    you.hp = e ? Math.max(0, you.hp - damage(me, you, move, rnd())) : you.hp
    s.line = me.o.name + ': ' + move.name + '.' + (e > 1 ? ' It strikes hard!' : e == 0 ? ' Nothing happens.' : e < 1 ? ' It does little.' : '')
    me.show = 'attack'; you.show = e ? 'hit' : 'idle'; me.since = you.since = now
  }
  s.wait = 48; ui.said()
}
function battleStep() {
  if (s.wait) { s.wait--; if (!s.wait) { s.pal.show = s.foe.show = 'idle'; after() } return }
  if (s.queue.length) act()
  else if (who != 'you') choose(players[who].move())
}
function after() {
  if (s.pal.hp <= 0) { s.falls++; s.queue = []; return lost() }
  if (s.foe.hp <= 0) { s.queue = []; return won() }
  if (!s.queue.length) ui.offer()
}
function up(n) { const share = s.pal.hp/s.pal.max; s.pal.up += n; s.pal.max = life(s.pal.o, s.pal.up); s.pal.hp = Math.max(1, Math.round(share*s.pal.max)) }
function won() {
  s.wins++; s.beaten.push(s.foe.o.name); up(2)
  ui.hush()
  if (s.by) { s.wild = s.wild.filter(o => o != s.by); s.screen = 'maze'; s.pal.hp = Math.min(s.pal.max, s.pal.hp + Math.ceil(.25*s.pal.max)); s.me.safe = 40; return ui.said() }
  const kin = game.creatures.findIndex(o => o.line == s.pal.o.line && o.starter && +o.kind == +s.pal.o.kind + 1)
  if (s.level == game.levels.length - 1) return end()
  if ((s.level == 1 || s.level == 3) && kin >= 0) return grow(game.creatures[kin])
  begin(s.level + 1)
}
function panel(html, buttons, being) { s.screen = 'panel'; s.after = buttons[0][1]; s.shown = 0; ui.panel(html, buttons, being) }
function lost() {
  s.lost = s.lost?.level == s.level ? {level:s.level, n:s.lost.n + 1} : {level:s.level, n:1}
  ui.hush(); up(s.lost.n)
  panel('<h1>' + s.pal.o.name + ' needs a rest</h1><p>Back to the start of the level. A lost battle teaches too: it is stronger now, and learns more from each loss on this level.</p>',
    [['Go on', () => { const {seals, berries, wild} = s; begin(s.level); Object.assign(s, {seals, berries, wild}); s.me.safe = 90; ui.said() }]])
}
function grow(next) {
  const old = s.pal.o
  s.pal.o = next; s.pal.max = life(next, s.pal.up); s.pal.hp = s.pal.max
  panel('<h1>' + old.name + ' grows into ' + next.name + '!</h1><p>' + next.text + '</p>', [['Go on', () => begin(s.level + 1)]], next)
}
function end() {
  s.done = true
  panel('<h1>You have won!</h1><p>' + s.pal.o.name + ' beat ' + s.wins + ' creatures, ' + s.beaten[s.beaten.length - 1] + ' last, and lost ' + s.falls + ' battles.</p><p><small>Beaten: ' + s.beaten.join(', ') + '.</small></p>',
    [['Play again', () => location.reload()]], s.pal.o)
}
function step() {                                                // a sixtieth of a second
  now += 1000/60
  if (s.screen == 'maze') { s.ticks++; mazeStep() }
  else if (s.screen == 'battle') { s.ticks++; battleStep() }
}

// --- a player that is written: the shortest way to what is wanted next, and the move that does most
function shortest() {                                            // all directions that begin a shortest way
  const goals = s.pal.hp < .5*s.pal.max && s.berries.length ? s.berries : s.seals.length ? s.seals : [level().gate]
  const steps = Array(W*H).fill(Infinity), queue = [...goals]
  for (const [x, y] of goals) steps[y*W + x] = 0
  while (queue.length) {
    const [x, y] = queue.shift()
    for (const d of free(x, y)) {
      const u = x + DIRS[d][0], v = y + DIRS[d][1]
      if (steps[v*W + u] == Infinity) { steps[v*W + u] = steps[y*W + x] + 1; queue.push([u, v]) }
    }
  }
  const [x, y] = s.me.at, at = d => steps[(y + DIRS[d][1])*W + x + DIRS[d][0]]
  return free(x, y).filter(d => at(d) < steps[y*W + x])
}
const players = {script:{way:() => shortest()[0], move:() => best(s.pal, s.foe)}}

// --- a player that has learned: the same networks as in gamegen.bestiary.clone
function seen() {                                                // planes: wall, star, berry, open gate, wild, little life
  const planes = Array.from({length:6}, () => new Float32Array(W*H)), put = (k, [x, y]) => planes[k][y*W + x] = 1
  for (let i = 0; i < W*H; i++) planes[0][i] = +level().wall[i]
  s.seals.forEach(o => put(1, o)); s.berries.forEach(o => put(2, o)); s.wild.forEach(o => put(4, o.at))
  if (!s.seals.length) put(3, level().gate)
  planes[5].fill(+(s.pal.hp < .5*s.pal.max))
  return planes
}
const cell = () => s.me.at[1]*W + s.me.at[0]
function weighed(x, y) {                                         // a row for each move: rest?, type against the other's, own type?, ...
  return movesOf(x).map(m => {
    const e = m.rest ? 1 : effect(m.type, y.o.types)
    return [!!m.rest, !m.rest && e == 0, e > 0 && e < 1, !m.rest && e == 1, e > 1, !m.rest && x.o.types.includes(m.type),
      (m.power || 0)/60, m.rest ? 0 : Math.log(hits(x, y, m)), x.hp/x.max, y.hp/y.max, x.rest/2].map(Number)
  })
}
const dense = (w, b, x) => w.map((row, i) => row.reduce((a, v, k) => a + v*x[k], b[i])), relu = x => x.map(v => Math.max(0, v))
const S = W + 2, inside = Int32Array.from({length:W*H}, (_, i) => (Math.floor(i/W) + 1)*S + i%W + 1), zeros = () => new Float32Array(S*(H + 2))
function ways(net, planes, at, planned) {                        // value iteration: a number for each of DIRS
  const reward = zeros(), value = zeros(), kernels = net['kernels'].map(o => Float32Array.from(o.flat()))
  inside.forEach((o, i) => reward[o] = 10*dense(net['reward.2.weight'], net['reward.2.bias'], relu(dense(net['reward.0.weight'], net['reward.0.bias'], planes.map(p => p[i]))))[0])
  const sum = reward.slice(), q = (o, k) => k[0]*sum[o - S - 1] + k[1]*sum[o - S] + k[2]*sum[o - S + 1] + k[3]*sum[o - 1] + k[4]*sum[o] + k[5]*sum[o + 1] +
    k[6]*sum[o + S - 1] + k[7]*sum[o + S] + k[8]*sum[o + S + 1]
  for (let n = 1; n < game.clone.iterations; n++) {
    for (const o of inside) { let best = -Infinity; for (const k of kernels) best = Math.max(best, q(o, k)); value[o] = best }
    for (const o of inside) sum[o] = reward[o] + value[o]
  }
  if (planned) planned([...inside].map(o => value[o]))
  const mine = kernels.map(k => q(inside[at], k)), mean = mine.reduce((a, b) => a + b)/mine.length
  return dense(net['head.weight'], net['head.bias'], mine.map(o => o - mean))
}
const worths = (net, rows) => rows.map(x => dense(net['2.weight'], net['2.bias'], relu(dense(net['0.weight'], net['0.bias'], x)))[0])
function drawn(logits) {                                         // one of them, by their softmax
  const odds = logits.map(v => Math.exp(v - Math.max(...logits)))
  let left = rnd()*odds.reduce((a, b) => a + b)
  return Math.max(0, odds.findIndex(v => (left -= v) < 0))
}
function planned(v) {                                            // what it makes of each cell, 0 to 1, to be shown
  const open = v.filter((_, i) => level().wall[i] == '0'), lo = Math.min(...open), hi = Math.max(...open)
  s.plan = v.map(o => (o - lo)/(hi - lo || 1))
}
players.clone = {way:() => NAMES[drawn(ways(game.clone.walk, seen(), cell(), planned))], move:() => drawn(worths(game.clone.battle, weighed(s.pal, s.foe)))}
