// Games without a picture. Reads {rules, games, clone, who, limit, slip, keep, seed} as JSON from stdin: `games`
// are {data, seed, starter}, `who` walks and fights, now and then (`slip`) by chance instead. Writes how each
// ended, and, if it is to `keep` them, what the player saw and what the script would have done.
const fs = require('fs')
const task = JSON.parse(fs.readFileSync(0, 'utf8'))
const driver = `
const chance = random(slips.seed), any = a => a[Math.floor(chance()*a.length)]
const near = o => Math.min(...(s.seals.length ? s.seals : [level().gate]).map(g => Math.abs(o[0] - g[0]) + Math.abs(o[1] - g[1])))
const ahead = d => [s.me.at[0] + DIRS[d][0], s.me.at[1] + DIRS[d][1]]
players.random = {way:() => any(NAMES), move:() => Math.floor(chance()*movesOf(s.pal).length)}
players.nearest = {way:() => free(...s.me.at).sort((a, b) => near(ahead(a)) - near(ahead(b)))[0], move:players.script.move}
const walks = [], fights = [], mine = players[slips.who]
const shown = () => { const p = seen(); return Array.from(p[0], (_, i) => String.fromCharCode(48 + p[0][i] + 2*p[1][i] + 4*p[2][i] + 8*p[3][i] + 16*p[4][i])).join('') }
players.learner = {
  way() {
    const short = shortest()
    if (slips.keep && short.length) walks.push([shown(), cell(), +(s.pal.hp < .5*s.pal.max), NAMES.map(d => +short.includes(d))])
    return chance() < slips.slip ? any(free(...s.me.at)) : mine.way()
  },
  move() {
    if (slips.keep) fights.push([weighed(s.pal, s.foe), best(s.pal, s.foe)])
    return chance() < slips.slip ? Math.floor(chance()*movesOf(s.pal).length) : mine.move()
  }}
who = 'learner'
start(game.creatures[game.starters[slips.starter]])
while (!s.done && s.ticks < slips.limit) s.screen == 'panel' ? s.after() : step()
return {done:!!s.done, ticks:s.ticks, level:s.level + 1, wins:s.wins, falls:s.falls, walks, fights}
`
const run = new Function('game', 'ui', 'slips', fs.readFileSync(task.rules, 'utf8') + driver)
const ui = {said() {}, offer() {}, hush() {}, panel() {}}
const played = task.games.map(({data, seed, starter}, i) => {
  const game = {...data, seed, clone:task.clone}
  const {limit, slip, keep, who} = task
  return run(game, ui, {seed:task.seed + i, starter, limit, slip, keep, who})
})
process.stdout.write(JSON.stringify(played))
