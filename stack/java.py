"""Choose how the stack's JVMs compile: three of them start at once, on as few as two cores."""

from __future__ import annotations

#: For a JVM that only coordinates: the quick compiler alone. Compiling such code well costs more than it ever gains.
QUICK = ("-XX:TieredStopAtLevel=1",)

#: For a JVM that carries data: the optimising compiler as usual, but only for code six times hotter than by default.
#: Otherwise it spends the start on code that never runs again; what is hot in the long run still gets there at once.
LATE_OPTIMISER = (
    "-XX:Tier4InvocationThreshold=30000",
    "-XX:Tier4MinInvocationThreshold=10000",
    "-XX:Tier4CompileThreshold=60000",
    "-XX:Tier4BackEdgeThreshold=200000",
)
