#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Reading what people type: words, numbers, and what they may have meant.
namespace soret {

/// Without blanks (space, tab, line ends) at both ends.
std::string_view trim(std::string_view text);

/// The words of a text that are separated by blanks or by any character of `separators`.
std::vector<std::string> split_words(std::string_view text, std::string_view separators = " \t\r\n,");

/// The whole text as a finite number; nullopt for anything else ("1x", "nan", "inf", "1e999").
std::optional<double> parse_real(std::string_view text);

/// The whole text as an integer, "1e4" and "64.0" included; nullopt for anything else.
std::optional<std::int64_t> parse_integer(std::string_view text);

/// The shortest text that reads back as the same number: 0.10 gives "0.1", 2.0 gives "2", -0 gives "0".
std::string shortest(double x);

/// The candidate with the smallest edit distance to `word` (swapped neighbours count as one edit), or
/// nullopt if all are too far away to be what was meant.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

/// "; did you mean 'learning_rate'?", or "" if nothing is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace soret
