// Battles one against one in Pokemon Showdown's engine, @pkmn/sim. Reads {species, pairs, times, seed}
// as JSON from stdin; writes the wins of the first of each pair, ties as halves.
const {Battle, Dex, PRNG, toID} = require('@pkmn/sim')
const {species, pairs, times, seed} = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const dex = Dex.forGen(9)

const made = species.map((s, i) => {
  const [hp, atk, def, spa, spd, spe] = s.stats
  const id = 'gamegen' + i
  const name = 'Gamegen' + i
  const data = {num: 20000 + i, name, types: s.types, gender: 'N', heightm: 1, weightkg: s.weight,
    baseStats: {hp, atk, def, spa, spd, spe}, abilities: {0: 'No Ability'}, color: 'Gray', eggGroups: ['Undiscovered'], tier: 'OU'}
  dex.data.Pokedex[id] = data
  dex.data.FormatsData[id] = {tier: 'OU'}
  dex.data.Learnsets[id] = {learnset: {}}
  return {set: {name, species: name, item: '', ability: 'No Ability', moves: s.moves, nature: 'Serious', gender: 'N',
    evs: {hp: 85, atk: 85, def: 85, spa: 85, spd: 85, spe: 85}, ivs: {hp: 31, atk: 31, def: 31, spa: 31, spd: 31, spe: 31}, level: 50}}
})

// The move that is expected to take most, now and then another one
function choose(battle, side, foe, prng) {
  const me = side.active[0], you = foe.active[0]
  const rated = me.moveSlots.map((slot, i) => {
    const move = dex.moves.get(slot.id)
    if (slot.pp <= 0 || !dex.getImmunity(move, you)) return [i, 0]
    const hits = move.category == 'Physical' ? me.storedStats.atk/you.storedStats.def : me.storedStats.spa/you.storedStats.spd
    const bonus = me.hasType(move.type) ? 1.5 : 1
    const sure = move.accuracy === true ? 1 : move.accuracy/100
    return [i, move.basePower*hits*bonus*sure*2**dex.getEffectiveness(move, you)]
  }).sort((a, b) => b[1] - a[1])
  const able = rated.filter(o => o[1] > 0)
  const some = able.length ? able : rated
  const at = some.length > 1 && prng.randomChance(1, 6) ? 1 : 0
  return 'move ' + (some[at][0] + 1)
}

function fight(a, b, key) {
  const prng = new PRNG(key)
  const battle = new Battle({formatid: 'gen9customgame', seed: key, strictChoices: false,
    p1: {name: 'a', team: [structuredClone(made[a].set)]}, p2: {name: 'b', team: [structuredClone(made[b].set)]}})
  if (battle.requestState == 'teampreview') battle.makeChoices('default', 'default')
  while (!battle.ended && battle.turn < 60)
    battle.makeChoices(choose(battle, battle.p1, battle.p2, prng), choose(battle, battle.p2, battle.p1, prng))
  if (!battle.ended) {
    const left = o => o.active[0].hp/o.active[0].maxhp
    return left(battle.p1) > left(battle.p2) ? 1 : left(battle.p1) < left(battle.p2) ? 0 : .5
  }
  return battle.winner == 'a' ? 1 : battle.winner == 'b' ? 0 : .5
}

const wins = pairs.map(([a, b], i) => {
  let sum = 0
  for (let k = 0; k < times; k++) sum += fight(a, b, [seed & 65535, seed >>> 16, i & 65535, k + 1])
  return sum
})
process.stdout.write(JSON.stringify(wins))
