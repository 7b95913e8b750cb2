"""Mutants of the core: it is made wrong in one place at a time, and a test of tests/core must notice.

    .venv/bin/python -m tools.mutants verdicts ledger

Why not mutmut or cosmic-ray. Both were looked at (mutmut 3.8.1 was run on two modules, cosmic-ray 8.7 read of). mutmut
works here, but leaves out every property, leaves out no statement and forces no condition; many of its mutants put
None into a call, which crashes; each runs all tests that call its function; and it knows no budget, no sample, and no
list of what is accepted. cosmic-ray starts pytest anew for each mutant, with all tests. coverage, which tells them what
is reached, tells it here as well; the rest is what stands in this folder.

How. pytest collects once. Each mutant is a fork of that process, in which the code of one function is replaced, and
which runs the tests that reach the mutated line until one fails: those of the module's own file first, then the
quickest. So nothing is written to the source tree, and a mutant that hangs or eats memory ends with its fork.

What is not mutated: the words of messages, annotations, decorators, defaults of arguments and fields, assertions (they
state what cannot be), what is raised, and what stands outside of functions, such as bounds.
"""
