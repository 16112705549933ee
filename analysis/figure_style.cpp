#include "analysis/figure_style.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "analysis/quantity.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {

// M. Okabe and K. Ito, "Color universal design" (2008), without yellow, which is too light for a line on
// white.
Style style(std::size_t curve) {
  static constexpr std::array<std::string_view, 7> kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                               "#E69F00", "#56B4E9", "#000000"};
  static constexpr std::array<std::string_view, 5> kDashes = {"solid", "(14,5)", "(4,4)", "(14,4,3,4)",
                                                              "(14,4,3,4,3,4)"};
  static constexpr std::array<int, 6> kSymbols = {7, 5, 9, 13, 6, 4};
  return {kColours[curve % kColours.size()], kDashes[curve % kDashes.size()],
          kSymbols[curve % kSymbols.size()]};
}

std::string plain(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("_^{}@&~\\").find(c) != std::string_view::npos) escaped += "\\\\";
    if (c == '"') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string symbol(const std::string& key) {
  static const std::vector<std::pair<std::string_view, std::string_view>> kSymbols = {
      {"learning_rate", "\u03b7"}, {"batch_size", "|B|"}, {"training_samples", "N"},
      {"temperature", "T"},        {"alpha", "\u03b1"},   {"beta", "\u03b2"}};
  std::string text;
  const auto is_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
  };
  for (std::size_t i = 0; i < key.size();) {
    std::size_t end = i;
    while (end < key.size() && is_name(key[end])) ++end;
    if (end == i) {
      text += plain(key.substr(i++, 1));
      continue;
    }
    std::string name = key.substr(i, end - i);
    if (!parse_real(name)) name.erase(0, name.rfind('.') + 1);  // the section says nothing to a reader
    i = end;
    const auto known =
        std::find_if(kSymbols.begin(), kSymbols.end(), [&](const auto& s) { return s.first == name; });
    if (known != kSymbols.end()) {
      text += known->second;
      continue;
    }
    std::replace(name.begin(), name.end(), '_', ' ');
    text += plain(name);
  }
  return text;
}

std::string typeset(const std::string& number) {
  return number.starts_with('-') ? "\u2212" + number.substr(1) : number;
}

namespace {

/// A file by its name alone.
std::string without_folder(const std::string& value) {
  if (value.find('/') == std::string::npos || !value.ends_with(".h5")) return value;
  const auto slash = value.rfind('/');
  return value.substr(slash + 1, value.size() - slash - 1 - 3);
}

}  // namespace

std::string typeset(const Label& label) {
  std::vector<std::string> parts;
  for (const auto& [name, whole] : label) {
    const std::string value = without_folder(whole);
    if (name == "file" || name == "label")
      parts.push_back(plain(value));
    else if (is_step(name))
      parts.push_back("step " + value);
    else
      parts.push_back(
          fmt::format("{} = {}", symbol(name), parse_real(value) ? typeset(value) : plain(value)));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string two_lines(const std::string& text, std::size_t width) {
  if (text.size() <= width) return plain(text);
  const auto blank = text.rfind(' ', std::max(width, text.size() / 2));
  return blank == std::string::npos ? plain(text)
                                    : plain(text.substr(0, blank)) + "\\n" + plain(text.substr(blank + 1));
}

std::string quantity_label(const std::string& name, const std::string& long_name, const std::string& unit) {
  constexpr std::size_t kFits = 34;
  std::string shown = long_name.substr(0, long_name.find(": "));
  if (shown.size() > kFits) {
    shown = name;
    std::replace(shown.begin(), shown.end(), '_', ' ');
  }
  return two_lines(unit == "1" ? shown : fmt::format("{} ({})", shown, unit), kFits);
}

std::size_t shown_length(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80 && c != '\\'; }));
}

void Range::include(double value) {
  if (!std::isfinite(value)) return;
  low = std::min(low, value);
  high = std::max(high, value);
}

Range Range::padded(bool log_axis) const {
  if (!(high >= low)) return log_axis ? Range{0.1, 10} : Range{-1, 1};
  if (log_axis) {
    const double factor = std::max(1.15, std::pow(high / low, 0.05));
    return {low / factor, high * factor};
  }
  // Values that differ by rounding are one value: six digits, as axes are written, would not tell them apart.
  constexpr double kRounding = 1e-5;
  const double size = std::max(std::abs(low), std::abs(high));
  const double air = high - low > kRounding * size ? 0.06 * (high - low) : 0.1 * size + 1e-12;
  return {low - air, high + air};
}

double tick_distance(const Range& range) {
  const double rough = (range.high - range.low) / 5;
  const double decade = std::pow(10, std::floor(std::log10(rough)));
  for (const double digit : {1.0, 2.0, 2.5, 5.0})
    if (digit * decade >= rough) return digit * decade;
  return 10 * decade;
}

int common_power(const Range& range) {
  const double most = std::max(std::abs(range.low), std::abs(range.high));
  if (!(most > 0) || (most >= 1e-3 && most < 1e5)) return 0;
  return static_cast<int>(std::floor(std::log10(most)));
}

std::string with_power(const std::string& label, const Range& range, bool log_axis) {
  const int power = log_axis ? 0 : common_power(range);
  return power == 0 ? label : fmt::format("{} (10^{{{}}})", label, typeset(std::to_string(power)));
}

namespace {

std::string linear_ticks(const Range& range, bool blank) {
  const double distance = tick_distance(range);
  const double unit = std::pow(10, common_power(range));
  std::vector<std::string> ticks;
  for (double k = std::ceil(range.low / distance - 1e-9); k * distance <= range.high + 1e-9 * distance; ++k) {
    const double value = k * distance;
    const auto label = typeset(fmt::format("{:.6g}", value / unit));
    ticks.push_back(fmt::format("\"{}\" {:.9g}", blank ? "" : label == "\u22120" ? "0" : label, value));
  }
  return fmt::format("({})", fmt::join(ticks, ", "));
}

/// Ticks of a logarithmic axis with their labels: digits within a few decades, powers of ten beyond.
std::string log_ticks(const Range& range, bool blank) {
  const double decades = std::log10(range.high / range.low);
  const int first = static_cast<int>(std::floor(std::log10(range.low)));
  const int last = static_cast<int>(std::ceil(std::log10(range.high)));
  const int stride = std::max(1, (last - first) / 5);
  const bool powers = decades > 3 || range.low < 1e-3 || range.high > 1e5;
  std::vector<int> digits{1};
  if (decades <= 3.2) digits = {1, 3};
  if (decades <= 2.2) digits = {1, 2, 5};
  if (decades <= 1) digits = {1, 2, 3, 5, 7};
  std::vector<std::string> ticks;
  for (int decade = first; decade <= last; ++decade)
    for (int digit = 1; digit < 10; ++digit) {
      const double value = digit * std::pow(10, decade);
      if (value < range.low || value > range.high) continue;
      const bool major =
          std::find(digits.begin(), digits.end(), digit) != digits.end() && decade % stride == 0;
      std::string label;
      if (major && !powers)
        label = shortest(parse_real(fmt::format("{:.6g}", value)).value());
      else if (major)
        label = digit == 1 ? fmt::format("10^{{{}}}", typeset(std::to_string(decade)))
                           : fmt::format("{}\u00b710^{{{}}}", digit, typeset(std::to_string(decade)));
      ticks.push_back(fmt::format("\"{}\" {:.9g} {}", blank ? "" : label, value, major ? 0 : 1));
    }
  return fmt::format("({})", fmt::join(ticks, ", "));
}

}  // namespace

std::string axis_commands(std::string_view axis, const Range& range, bool log_axis, bool blank) {
  return fmt::format("set {0}range [{1:.9g}:{2:.9g}]\n{3} logscale {0}\nset {0}tics {4}\n", axis, range.low,
                     range.high, log_axis ? "set" : "unset",
                     log_axis ? log_ticks(range, blank) : linear_ticks(range, blank));
}

std::string y_label_commands(const Canvas& canvas, double left, double middle, const std::string& text) {
  constexpr double kFromAxis = 0.68;
  return fmt::format("unset ylabel\nset label 2 \"{}\" at screen {:.6g},{:.6g} center rotate by 90\n", text,
                     canvas.x(left - kFromAxis), canvas.y(middle));
}

std::string title_commands(const Canvas& canvas, double left, double bottom, const std::string& title) {
  if (title.empty()) return "set title\n";
  int lines = 1;
  for (auto at = title.find("\\n"); at != std::string::npos; at = title.find("\\n", at + 1)) ++lines;
  return fmt::format("set title\nset label 1 \"{}\" at screen {:.6g},{:.6g} center\n", title,
                     canvas.x(left + kPanelWidth / 2), canvas.y(bottom - 0.13 - kTitleLine * (lines - 1)));
}

std::string panel_place(const Canvas& canvas, double left, double top, double width, double height) {
  return fmt::format(
      "set lmargin at screen {:.6g}\nset rmargin at screen {:.6g}\nset tmargin at screen {:.6g}\nset bmargin "
      "at screen {:.6g}\n",
      canvas.x(left), canvas.x(left + width), canvas.y(top), canvas.y(top + height));
}

}  // namespace soret::analysis
