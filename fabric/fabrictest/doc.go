// Package fabrictest is the suite that every fabric passes: each promise in the comments of package fabric is a test here.
//
// It is called from the tests of a fabric, with a Factory that makes one new ring and says how each of its sides is opened.
// A side may be opened in the owner's process or across a network: the suite never expects that what one side did shows at
// the other at once, only that Wait tells. What it cannot know is how to damage a ring; a fabric that can be damaged says
// so in Pair.Damage.
//
// It does not measure speed, and does not kill processes; the fabrics' own tests do.
package fabrictest
