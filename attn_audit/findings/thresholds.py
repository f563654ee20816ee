"""The numbers that sentences, the page, `explain` and the packaged rules decide by: one table.

The packaged rules are TOML and repeat those that they bound; a test holds it to these, and keeps
other numbers out of the sentences.
"""

MIN_EXAMPLES = 100
"""Intervals of fewer examples are too narrow to be believed, whichever way they point."""

MIN_COVERAGE = 0.95
"""Share of the examples that a check must say something about, to speak for all of them."""

WORKS = 0.7
"""ROC AUC from which a model is said to tell its labels apart."""

ALIKE, PARTLY_ALIKE = 0.4, 0.2
"""Kendall's taus from which two rankings are alike, or partly so: at 0.4 they order three of ten
pairs differently. Measures less alike than 0.4 can neither be asked about attention."""

SMALL_GAP = 0.2
"""By how much a tau may fall short of the yardstick and still be as much."""

SIGNIFICANT = 0.05
"""The largest p-value of a tau that is told from chance; also the false discovery rate."""

MOVED_DISTANCE = 0.1
"""An output that moves by this much has moved."""

INFORMATIVE_JSD = 0.1
"""Nats: attention whose permutations differ from it by less is too even to show anything."""

MOST, NEARLY_ALL = 0.5, 0.9
"""Shares of the examples."""

CHANCE = 0.5
"""Share of random orders that an order is above which ranks nothing."""

ENTIRELY, LARGELY = 0.9, 0.5
"""Shares of the largest divergence that an example allows, from which other attention is called
almost entirely different, or very different."""

FARTHEST = 0.9999
"""Share of that divergence from which on the rest is rounding: nothing can be farther."""

ALL_MASS = 0.9995
"""Share of attention from which on all of it is said to lie on the audited units."""

DECIDING_PART = 0.05
"""Part of the largest effect of any unit from which on the sign of an effect is looked at."""

MATTERS = 0.05
"""Share of the margin that is lost or gained without a unit, from which on the unit matters."""

STRONG_SHADE = 0.5
"""Part of the strongest shade from which on a word stands in bold where nothing can be shaded."""

SMALL_PART = 0.25
"""Part of it below which the most attended unit matters little beside the one that matters most."""

HALF_MARGIN = 0.5
"""An output whose margin moves by this share of itself has moved, whatever its probability does."""

LEAST_REACH = 0.1
"""Share of the texts in which attention can turn the decision or move half of the margin, below
which a site hardly matters."""

HALF_OF_BEST = 0.5
"""Part of the best layer's leverage below which the answer names that layer."""

FEW_UNATTENDED = 0.05
"""Share of the texts that words with hardly any attention may decide."""

FEW_AGAINST = 0.25
"""Share of the texts in which the most attended word may speak against the prediction."""
