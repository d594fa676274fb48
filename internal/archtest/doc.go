// Package archtest keeps the arrows between packages pointing down. It has nothing but a test, which reads the imports of
// every package of this module and fails, saying why, when one is not in the table.
package archtest
