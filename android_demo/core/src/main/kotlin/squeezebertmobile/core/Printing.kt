package squeezebertmobile.core

import java.util.Locale

/** A score in a printed result; more digits would not be the same on the next phone. */
internal fun rounded(score: Double): String = "%.4f".format(Locale.ROOT, score)

/** The note that a text was too long; empty if it was not. */
internal fun cutNote(tokensCut: Int): String = if (tokensCut == 0) "" else ", $tokensCut tokens were cut"
