#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include "analysis/figure_style.hpp"
#include "analysis/table.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

using Key = std::vector<std::string>;

/// What stands in one place: a number, words behind it, or words alone.
struct Cell {
  std::string number{}, words{};
};

struct Grid {
  std::vector<Cell> head;
  std::vector<std::vector<Cell>> rows;
};

constexpr const char* kNothing = "-";

std::string place_of(const TableNumber& number, const std::string& axis) {
  const auto found = std::ranges::find(number.place, axis, [](const auto& entry) { return entry.first; });
  return found == number.place.end() ? kNothing : found->second;
}
Key key_of(const TableNumber& number, const std::vector<std::string>& axes) {
  Key key;
  for (const auto& axis : axes) key.push_back(place_of(number, axis));
  return key;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

/// Axes of `with` that `without` has not.
std::vector<std::string> difference(std::vector<std::string> with, const std::vector<std::string>& without) {
  std::erase_if(with, [&](const std::string& name) { return contains(without, name); });
  return with;
}

bool tell_apart(const Table& table, const std::vector<std::string>& axes) {
  std::set<Key> keys;
  return std::ranges::all_of(table.numbers,
                             [&](const auto& number) { return keys.insert(key_of(number, axes)).second; });
}

// ---- Numbers ----

/// Digits behind the point that show two digits of an uncertainty.
int decimals_for(double uncertainty) {
  constexpr int kMost = 12;
  return std::clamp(1 - static_cast<int>(std::floor(std::log10(uncertainty))), 0, kMost);
}

/// "92.33 ± 0.10", "0.412 [0.398, 0.430]", "92.33" without an interval.
std::string interval_text(const Table& table, const TableNumber& number, std::optional<int> decimals) {
  const double half = (number.high - number.low) / 2;
  const bool has_interval = std::isfinite(half);
  const double size = std::max(std::abs(number.value), has_interval ? half : 0);
  if (!decimals && size != 0 && (size < 1e-3 || size >= 1e6)) {
    if (!has_interval) return fmt::format("{:.3e}", number.value);
    return table.interval == IntervalKind::bootstrap
               ? fmt::format("{:.3e} [{:.3e}, {:.3e}]", number.value, number.low, number.high)
               : fmt::format("{:.3e} ± {:.1e}", number.value, half);
  }
  if (!has_interval)
    return decimals ? fmt::format("{:.{}f}", number.value, *decimals) : fmt::format("{:.4g}", number.value);
  const int digits = decimals.value_or(half > 0 ? decimals_for(half) : 4);
  return table.interval == IntervalKind::bootstrap
             ? fmt::format("{:.{}f} [{:.{}f}, {:.{}f}]", number.value, digits, number.low, digits,
                           number.high, digits)
             : fmt::format("{:.{}f} ± {:.{}f}", number.value, digits, half, digits);
}

Cell measured(const Table& table, const TableNumber& number, std::optional<int> decimals) {
  if (!number.finished) return {"", "not finished"};
  if (number.trajectories == 0) return {"", fmt::format("all {} diverged", number.diverged)};
  if (!std::isfinite(number.value)) return {"", kNothing};
  return {interval_text(table, number, decimals),
          number.diverged == 0
              ? ""
              : fmt::format("({} of {} diverged)", number.diverged, number.diverged + number.trajectories)};
}
Cell published(const TableNumber& number) {
  return number.reference ? Cell{number.reference->text, ""} : Cell{"", kNothing};
}
Cell deviation(const TableNumber& number) {
  return number.reference && std::isfinite(number.deviation)
             ? Cell{fmt::format("{:+.1f}", number.deviation), ""}
             : Cell{"", kNothing};
}

// ---- Layout ----

/// Distinct keys in the order of their appearance.
std::vector<Key> keys_of(const Table& table, const std::vector<std::string>& axes) {
  std::vector<Key> keys;
  for (const auto& number : table.numbers)
    if (auto key = key_of(number, axes); std::ranges::find(keys, key) == keys.end())
      keys.push_back(std::move(key));
  return keys;
}

bool has_references(const Table& table) {
  return std::ranges::any_of(table.numbers, [](const auto& number) { return number.reference.has_value(); });
}

/// A row per point; of every observable its mean and, where there are some, published values and deviations.
Grid plain_grid(const Table& table, const std::vector<std::string>& rows, std::optional<int> decimals) {
  Grid grid;
  for (const auto& axis : rows) grid.head.push_back({"", axis});
  const auto observables = keys_of(table, {"observable"});
  const auto referred = [&](const Key& observable) {
    return std::ranges::any_of(table.numbers, [&](const auto& number) {
      return number.reference && key_of(number, {"observable"}) == observable;
    });
  };
  for (const auto& observable : observables) {
    grid.head.push_back({"", observable[0]});
    if (!referred(observable)) continue;
    grid.head.push_back({"", table.source()});
    grid.head.push_back({"", "deviation"});
  }
  grid.head.push_back({"", "n"});
  for (const auto& key : keys_of(table, rows)) {
    auto& row = grid.rows.emplace_back();
    for (const auto& text : key) row.push_back({"", text});
    std::string trajectories = kNothing;
    for (const auto& observable : observables) {
      const auto number = std::ranges::find_if(table.numbers, [&](const auto& candidate) {
        return key_of(candidate, rows) == key && key_of(candidate, {"observable"}) == observable;
      });
      const bool there = number != table.numbers.end();
      row.push_back(there ? measured(table, *number, decimals) : Cell{"", kNothing});
      if (there) trajectories = std::to_string(number->trajectories);
      if (!referred(observable)) continue;
      row.push_back(there ? published(*number) : Cell{"", kNothing});
      row.push_back(there ? deviation(*number) : Cell{"", kNothing});
    }
    row.push_back({trajectories, ""});
  }
  return grid;
}

/// A cell per combination of rows and columns; where there are published values, three lines per row.
Grid crossed_grid(const Table& table, const TableLayout& layout) {
  auto axes = layout.rows;
  axes.insert(axes.end(), layout.columns.begin(), layout.columns.end());
  if (!tell_apart(table, axes))
    throw ConfigError(
        fmt::format("--rows {} --columns {}: several numbers fall into one cell; what tells them "
                    "apart is {} (choose one value with --at, or add to the rows)",
                    fmt::join(layout.rows, ","), fmt::join(layout.columns, ","),
                    fmt::join(difference(table.axes, axes), ", ")));
  const bool references = has_references(table);
  const auto columns = keys_of(table, layout.columns);
  Grid grid;
  for (const auto& axis : layout.rows) grid.head.push_back({"", axis});
  if (references) grid.head.push_back({"", ""});
  for (const auto& column : columns) grid.head.push_back({"", fmt::format("{}", fmt::join(column, ", "))});
  for (const auto& key : keys_of(table, layout.rows)) {
    const auto add = [&](const std::string& what, bool first, auto cell_of) {
      std::vector<Cell> row;
      for (const auto& text : key) row.push_back({"", first ? text : ""});
      if (references) row.push_back({"", what});
      bool anything = first;
      for (const auto& column : columns) {
        const auto number = std::ranges::find_if(table.numbers, [&](const auto& candidate) {
          return key_of(candidate, layout.rows) == key && key_of(candidate, layout.columns) == column;
        });
        row.push_back(number == table.numbers.end() ? Cell{"", kNothing} : cell_of(*number));
        anything = anything || row.back().words != kNothing;
      }
      if (anything) grid.rows.push_back(std::move(row));
    };
    add("measured", true,
        [&](const TableNumber& number) { return measured(table, number, layout.decimals); });
    if (!references) continue;
    add(table.source(), false, published);
    add("deviation", false, deviation);
  }
  return grid;
}

Grid grid_of(const Table& table, const TableLayout& layout) {
  std::vector<std::string> known;
  for (const auto& number : table.numbers)
    for (const auto& [name, text] : number.place)
      if (!contains(known, name)) known.push_back(name);
  for (const auto* names : {&layout.rows, &layout.columns})
    for (const auto& name : *names)
      if (!contains(known, name))
        throw ConfigError(fmt::format("'{}' is no axis of this table{}; they are {}", name,
                                      did_you_mean(name, known), fmt::join(known, ", ")));
  // Labels stand for all settings where they tell the points apart.
  std::vector<std::string> labelled = table.axes;
  std::erase_if(labelled, [&](const std::string& axis) { return table.settings.contains(axis); });
  std::vector<std::string> with_observable = labelled;
  with_observable.emplace_back("observable");
  const bool by_label = contains(table.axes, "label") && tell_apart(table, with_observable);
  const auto axes = by_label ? labelled : table.axes;

  TableLayout full = layout;
  if (full.columns.empty() || full.columns == std::vector<std::string>{"observable"}) {
    if (full.rows.empty()) full.rows = difference(axes, {"observable"});
    if (full.rows.empty()) full.rows = {"file"};
    auto all = full.rows;
    all.emplace_back("observable");
    if (tell_apart(table, all)) return plain_grid(table, full.rows, full.decimals);
    full.columns = {"observable"};  // and be told what is missing
  }
  if (full.rows.empty()) full.rows = difference(axes, full.columns);
  if (full.rows.empty()) full.rows = {"file"};
  return crossed_grid(table, full);
}

// ---- Formats ----

std::string joined(const Cell& cell) {
  return cell.number + (cell.number.empty() || cell.words.empty() ? "" : " ") + cell.words;
}

std::string markdown_text(const Cell& cell) {
  std::string text;
  for (const char c : joined(cell)) {
    if (c == '|' || c == '*' || c == '_' || c == '`' || c == '<' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

std::string latex_words(const std::string& words) {
  std::string text;
  for (const char c : words) {
    if (c == '\\')
      text += "\\textbackslash{}";
    else if (c == '~')
      text += "\\textasciitilde{}";
    else if (c == '^')
      text += "\\textasciicircum{}";
    else if (std::string_view("&%$#_{}").find(c) != std::string_view::npos)
      text += std::string("\\") + c;
    else
      text += c;
  }
  return text;
}

std::string latex_text(const Cell& cell) {
  if (cell.number.empty()) return latex_words(cell.words);
  static const std::regex power("e\\+?(-?)0*([0-9]+)");
  std::string number = std::regex_replace(cell.number, power, "\\cdot 10^{$1$2}");
  if (const auto sign = number.find("±"); sign != std::string::npos)
    number.replace(sign, std::string_view("±").size(), "\\pm");
  return fmt::format("${}${}{}", number, cell.words.empty() ? "" : " ", latex_words(cell.words));
}

std::string csv_text(const std::string& text) {
  if (text.find_first_of("\",\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// What the numbers are, in a sentence or two.
std::string caption(const Table& table) {
  const char* interval =
      table.interval == IntervalKind::t95       ? "± 95% interval over n trajectories (Student's t)"
      : table.interval == IntervalKind::stderr_ ? "± standard error over n trajectories"
                                                : "with the central 95% of its bootstrap over trajectories";
  std::string text = fmt::format("Mean {}", interval);
  if (!table.steps.empty()) text += fmt::format("; {}", fmt::join(table.steps, ", "));
  text += ".";
  std::set<std::string> observables;
  for (const auto& number : table.numbers) observables.insert(place_of(number, "observable"));
  if (observables.size() == 1) text = fmt::format("{}: {}{}", *observables.begin(), "m", text.substr(1));
  if (has_references(table))
    text += fmt::format(
        " deviation: (mean - published) / combined error, a published +- taken as one standard error.");
  return text;
}

std::string text_table(const Grid& grid) {
  std::vector<std::size_t> widths(grid.head.size(), 0);
  const auto measure = [&](const std::vector<Cell>& row) {
    for (std::size_t c = 0; c < row.size(); ++c)
      widths[c] = std::max(widths[c], shown_length(joined(row[c])));
  };
  measure(grid.head);
  for (const auto& row : grid.rows) measure(row);
  std::string text;
  const auto print = [&](const std::vector<Cell>& row) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string cell = joined(row[c]);
      line += cell + std::string(widths[c] - shown_length(cell) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  print(grid.head);
  std::size_t total = 0;
  for (const auto width : widths) total += width + 2;
  text += std::string(total - 2, '-') + "\n";
  for (const auto& row : grid.rows) print(row);
  return text;
}

std::string markdown_table(const Grid& grid) {
  std::string text;
  const auto print = [&](const std::vector<Cell>& row) {
    text += "|";
    for (const auto& cell : row) text += fmt::format(" {} |", markdown_text(cell));
    text += "\n";
  };
  print(grid.head);
  text += "|";
  for (std::size_t c = 0; c < grid.head.size(); ++c) text += "---|";
  text += "\n";
  for (const auto& row : grid.rows) print(row);
  return text;
}

std::string latex_table(const Grid& grid, const std::string& caption) {
  std::string text = fmt::format("\\begin{{table}}\n\\centering\n\\begin{{tabular}}{{{}}}\n\\hline\n",
                                 std::string(grid.head.size(), 'l'));
  const auto print = [&](const std::vector<Cell>& row) {
    std::vector<std::string> cells;
    for (const auto& cell : row) cells.push_back(latex_text(cell));
    text += fmt::format("{} \\\\\n", fmt::join(cells, " & "));
  };
  print(grid.head);
  text += "\\hline\n";
  for (const auto& row : grid.rows) print(row);
  std::string words = latex_words(caption);
  for (auto sign = words.find("±"); sign != std::string::npos; sign = words.find("±"))
    words.replace(sign, std::string_view("±").size(), "$\\pm$");
  for (auto sign = words.find("+-"); sign != std::string::npos; sign = words.find("+-"))
    words.replace(sign, 2, "$\\pm$");
  return text + fmt::format("\\hline\n\\end{{tabular}}\n\\caption{{{}}}\n\\end{{table}}\n", words);
}

/// A line per number.
std::string tidy_csv(const Table& table) {
  std::vector<std::string> axes;
  for (const auto& number : table.numbers)
    for (const auto& [name, text] : number.place)
      if (!contains(axes, name)) axes.push_back(name);
  std::string csv;
  for (const auto& axis : axes) csv += csv_text(axis) + ",";
  csv += "mean,stderr,low,high,trajectories,diverged,reference,reference_error,deviation\n";
  const auto number_text = [](double x) { return std::isfinite(x) ? shortest(x) : std::string(); };
  for (const auto& number : table.numbers) {
    for (const auto& text : key_of(number, axes)) csv += csv_text(text == kNothing ? "" : text) + ",";
    for (const double x : {number.value, number.standard_error, number.low, number.high})
      csv += number_text(x) + ",";
    csv += fmt::format("{},{},", number.trajectories, number.diverged);
    csv += (number.reference ? shortest(number.reference->value) : "") + ",";
    csv += (number.reference && number.reference->error ? shortest(*number.reference->error) : "") + ",";
    csv += number_text(number.deviation) + "\n";
  }
  return csv;
}

}  // namespace

std::string table_text(const Table& table, TableFormat format, const TableLayout& layout) {
  if (format == TableFormat::csv) return tidy_csv(table);
  const Grid grid = grid_of(table, layout);
  const std::string words = caption(table);
  switch (format) {
    case TableFormat::latex:
      return latex_table(grid, words);
    case TableFormat::markdown:
      return fmt::format("{}\n{}\n", markdown_table(grid), markdown_text({"", words}));
    default:
      return fmt::format("{}\n{}\n", text_table(grid), words);
  }
}

}  // namespace soret::analysis
