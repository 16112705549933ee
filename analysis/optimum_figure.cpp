#include "analysis/optimum_figure.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>

#include "analysis/figure_style.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

/// Room above a panel for its title.
double top_of(int title_lines) {
  return kTop + kTitleLine * title_lines;
}

double legend_width(std::size_t characters) {
  return kLegendGap + kLegendSample + kCharacter * static_cast<double>(characters) + kRightMargin;
}

std::string key_position(const Canvas& canvas, double top) {
  return fmt::format("set key on at screen {:.6g},{:.6g} left top Left reverse samplen 2.4 maxcols 1\n",
                     canvas.x(kLeft + kPanelWidth + kLegendGap), canvas.y(top));
}

std::string label_of(const Curves& curves, const std::vector<double>& keys, std::size_t without) {
  std::vector<std::string> words;
  for (std::size_t k = 0; k < keys.size(); ++k)
    if (k != without) words.push_back(fmt::format("{} = {}", symbol(curves.keys[k]), shortest(keys[k])));
  return fmt::format("{}", fmt::join(words, ", "));
}

/// The curves with their parabolas and vertices.
class CurvePanel {
 public:
  CurvePanel(const Curves& curves, const OptimumFit& fit) : curves_(curves), fit_(fit) {
    for (std::size_t c = 0; c < curves_.curves.size(); ++c) include(curves_.curves[c], fit_.optima[c]);
    for (const auto& curve : curves_.curves)
      legend_ = std::max(legend_, shown_length(label_of(curves_, curve.keys, curves_.keys.size())));
  }

  double width() const { return kLeft + kPanelWidth + legend_width(legend_); }
  double height() const { return top_of(1) + kPanelHeight + kBottom; }

  void write(const Canvas& canvas, std::string& data, std::string& script) const {
    const double top = top_of(1);
    std::vector<std::string> bars, points, lines, vertices;
    auto out = std::back_inserter(data);
    for (std::size_t c = 0; c < curves_.curves.size(); ++c) {
      const Curve& curve = curves_.curves[c];
      const Optimum& optimum = fit_.optima[c];
      const Style look = style(c);
      const auto id = fmt::format("{}c{}", canvas.data, c);
      fmt::format_to(out, "{} << END\n", id);
      for (std::size_t i = 0; i < curves_.steps.size(); ++i)
        if (std::isfinite(curve.mean[i]))
          fmt::format_to(out, "{:.9g} {:.9g} {:.9g}\n", curves_.steps[i], curve.mean[i],
                         std::isfinite(curve.error[i]) ? curve.error[i] : 0);
      fmt::format_to(out, "END\n");
      bars.push_back(
          fmt::format("{} using 1:($2-$3):(0):(2*$3) with vectors nohead linecolor rgb \"{}\" linewidth 1 "
                      "dashtype solid notitle",
                      id, look.colour));
      points.push_back(fmt::format(
          "{} using 1:2 with linespoints linecolor rgb \"{}\" linewidth 0.4 dashtype solid pointtype {} "
          "pointsize 0.5 title \"{}\"",
          id, look.colour, look.symbol, label_of(curves_, curve.keys, curves_.keys.size())));
      if (optimum.points < 2) continue;
      write_parabola(optimum, id, data);
      lines.push_back(
          fmt::format("{}p using 1:2 with lines linecolor rgb \"{}\" linewidth 1.6 dashtype solid notitle",
                      id, look.colour));
      if (optimum.kind != OptimumKind::value) continue;
      fmt::format_to(out, "{}v << END\n{:.9g} {:.9g} {:.9g} {:.9g}\nEND\n", id, optimum.place.value,
                     optimum.best, optimum.place.low, optimum.place.high);
      vertices.push_back(
          fmt::format("{}v using 3:2:($4-$3):(0) with vectors nohead linecolor rgb \"{}\" linewidth 1.2 "
                      "dashtype solid notitle",
                      id, look.colour));
      vertices.push_back(
          fmt::format("{}v using 1:2 with points linecolor rgb \"{}\" pointtype {} pointsize 1.1 notitle", id,
                      look.colour, look.symbol));
    }
    script += panel_place(canvas, kLeft, top, kPanelWidth, kPanelHeight);
    script += axis_commands("x", x_.padded(true), true);
    const Range y = y_.padded();
    script += axis_commands("y", y, false);
    script += title_commands(canvas, kLeft, top, "fitted optimum, 95% interval");
    script += y_label_commands(
        canvas, kLeft, top + kPanelHeight / 2,
        with_power(quantity_label(curves_.observable, curves_.long_name, curves_.unit), y, false));
    fmt::format_to(std::back_inserter(script), "set xlabel \"{}\"\n", symbol(fit_.over));
    script += curves_.keys.empty() ? "set key off\n" : key_position(canvas, top);
    for (auto* more : {&points, &lines, &vertices}) bars.insert(bars.end(), more->begin(), more->end());
    fmt::format_to(std::back_inserter(script), "plot {}\nunset label 1\nunset label 2\n",
                   fmt::join(bars, ", \\\n  "));
  }

 private:
  /// The window, and the end of the curve from which it rises least: a cliff at the other end would leave no
  /// room for either.
  void include(const Curve& curve, const Optimum& optimum) {
    double end = std::numeric_limits<double>::quiet_NaN();
    for (const auto i : {first(curve), last(curve)})
      if (!(std::abs(curve.mean[i] - optimum.best) > std::abs(end - optimum.best))) end = curve.mean[i];
    y_.include(end);
    for (std::size_t i = 0; i < curves_.steps.size(); ++i) {
      if (!std::isfinite(curve.mean[i])) continue;
      x_.include(curves_.steps[i]);
      if (curves_.steps[i] < optimum.window_begin || curves_.steps[i] > optimum.window_end) continue;
      const double error = std::isfinite(curve.error[i]) ? curve.error[i] : 0;
      y_.include(curve.mean[i] - error);
      y_.include(curve.mean[i] + error);
    }
  }
  std::size_t first(const Curve& curve) const {
    std::size_t i = 0;
    while (!std::isfinite(curve.mean[i])) ++i;
    return i;
  }
  std::size_t last(const Curve& curve) const {
    std::size_t i = curves_.steps.size() - 1;
    while (!std::isfinite(curve.mean[i])) --i;
    return i;
  }

  static void write_parabola(const Optimum& optimum, const std::string& id, std::string& data) {
    constexpr int kPoints = 60;
    auto out = std::back_inserter(data);
    fmt::format_to(out, "{}p << END\n", id);
    const double from = std::log(optimum.window_begin / optimum.measured_best);
    const double to = std::log(optimum.window_end / optimum.measured_best);
    for (int i = 0; i <= kPoints; ++i) {
      const double u = from + (to - from) * i / kPoints;
      fmt::format_to(out, "{:.9g} {:.9g}\n", optimum.measured_best * std::exp(u),
                     optimum.parabola[0] + u * (optimum.parabola[1] + u * optimum.parabola[2]));
    }
    fmt::format_to(out, "END\n");
  }

  Curves curves_;
  OptimumFit fit_;
  Range x_, y_;
  std::size_t legend_ = 0;
};

/// Optima and critical batch sizes against one of the other keys.
class LawPanel {
 public:
  LawPanel(const Curves& curves, const OptimumFit& fit, std::size_t key)
      : curves_(curves), fit_(fit), key_(key) {
    for (const auto& optimum : fit_.optima) {
      auto others = optimum.keys;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(key_));
      if (std::ranges::find(lines_, others) == lines_.end()) lines_.push_back(others);
      x_.include(optimum.keys[key_]);
      include(optimum.place);
      if (optimum.critical) include(*optimum.critical);
    }
    if (fit_.law) legend_ = std::max(legend_, shown_length(law_text("exponent", *fit_.law)));
    if (fit_.critical_law)
      legend_ = std::max(legend_, shown_length(law_text("exponent", *fit_.critical_law)));
    legend_ = std::max(legend_, shown_length(symbol(fit_.over)) + 10);
    for (const auto& optimum : fit_.optima)
      legend_ = std::max(legend_, shown_length(label_of(curves_, optimum.keys, key_)));
  }

  double width() const { return kLeft + kPanelWidth + legend_width(legend_); }
  double height() const { return top_of(1) + kPanelHeight + kBottom; }

  void write(const Canvas& canvas, std::string& data, std::string& script) const {
    const double top = top_of(1);
    std::vector<std::string> plots;
    for (std::size_t line = 0; line < lines_.size(); ++line) write_optima(canvas, line, data, plots);
    if (fit_.law) write_law(canvas, *fit_.law, "o", data, plots);
    if (std::ranges::any_of(fit_.optima, [](const Optimum& o) { return o.critical.has_value(); }))
      write_critical(canvas, data, plots);
    if (fit_.critical_law) write_law(canvas, *fit_.critical_law, "k", data, plots);
    script += panel_place(canvas, kLeft, top, kPanelWidth, kPanelHeight);
    script += axis_commands("x", x_.padded(true), true);
    script += axis_commands("y", y_.padded(true), true);
    script += title_commands(canvas, kLeft, top, "power law of the optimum");
    script += y_label_commands(canvas, kLeft, top + kPanelHeight / 2, symbol(fit_.over));
    fmt::format_to(std::back_inserter(script), "set xlabel \"{}\"\n", symbol(curves_.keys[key_]));
    script += key_position(canvas, top);
    fmt::format_to(std::back_inserter(script), "plot {}\nunset label 1\nunset label 2\n",
                   fmt::join(plots, ", \\\n  "));
  }

 private:
  void include(const Spreading& s) {
    y_.include(s.value);
    y_.include(s.low);
    y_.include(s.high);
  }
  std::string law_text(std::string_view what, const PowerLaw& law) const {
    const Exponent& exponent = law.exponents[key_];
    return fmt::format("{}: {} [{}, {}]", what, typeset(fmt::format("{:.2f}", exponent.value)),
                       typeset(fmt::format("{:.2f}", exponent.low)),
                       typeset(fmt::format("{:.2f}", exponent.high)));
  }
  bool on_line(const Optimum& optimum, std::size_t line) const {
    auto others = optimum.keys;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(key_));
    return others == lines_[line];
  }

  /// Points with intervals; bounds as arrows from the bound away.
  void write_optima(const Canvas& canvas, std::size_t line, std::string& data,
                    std::vector<std::string>& plots) const {
    constexpr double kArrow = 1.35;  // factor
    const auto id = fmt::format("{}o{}", canvas.data, line);
    auto out = std::back_inserter(data);
    std::string bounds;
    std::string name = fmt::format("optimal {}", symbol(fit_.over));
    fmt::format_to(out, "{} << END\n", id);
    for (const auto& optimum : fit_.optima) {
      if (!on_line(optimum, line)) continue;
      if (lines_.size() > 1) name = label_of(curves_, optimum.keys, key_);
      const double x = optimum.keys[key_];
      const Spreading& place = optimum.place;
      if (optimum.kind == OptimumKind::value)
        fmt::format_to(out, "{:.9g} {:.9g} {:.9g} {:.9g}\n", x, place.value, place.low, place.high);
      else if (optimum.kind == OptimumKind::lower_bound)
        bounds += fmt::format("{:.9g} {:.9g} {:.9g}\n", x, place.low, place.low * (kArrow - 1));
      else if (optimum.kind == OptimumKind::upper_bound)
        bounds += fmt::format("{:.9g} {:.9g} {:.9g}\n", x, place.high, place.high * (1 / kArrow - 1));
    }
    fmt::format_to(out, "END\n{}b << END\n{}END\n", id, bounds);
    const Style look = style(line);
    plots.push_back(
        fmt::format("{} using 1:3:(0):($4-$3) with vectors nohead linecolor rgb \"{}\" linewidth 1 dashtype "
                    "solid notitle",
                    id, look.colour));
    plots.push_back(
        fmt::format("{} using 1:2 with points linecolor rgb \"{}\" pointtype {} pointsize 0.9 title \"{}\"",
                    id, look.colour, look.symbol, name));
    if (!bounds.empty())
      plots.push_back(
          fmt::format("{}b using 1:2:(0):3 with vectors head filled linecolor rgb \"{}\" linewidth 1.6 "
                      "dashtype solid title \"bound\"",
                      id, look.colour));
  }

  void write_critical(const Canvas& canvas, std::string& data, std::vector<std::string>& plots) const {
    const auto id = canvas.data + "k";
    auto out = std::back_inserter(data);
    fmt::format_to(out, "{} << END\n", id);
    for (const auto& optimum : fit_.optima)
      if (optimum.critical)
        fmt::format_to(out, "{:.9g} {:.9g} {:.9g} {:.9g}\n", optimum.keys[key_], optimum.critical->value,
                       optimum.critical->low, optimum.critical->high);
    fmt::format_to(out, "END\n");
    plots.push_back(
        fmt::format("{} using 1:3:(0):($4-$3) with vectors nohead linecolor rgb \"#000000\" linewidth 1 "
                    "dashtype solid notitle",
                    id));
    plots.push_back(
        fmt::format("{} using 1:2 with points linecolor rgb \"#000000\" pointtype 4 pointsize 0.9 title \"tr "
                    "\u03a3/\u2016\u2207\u2113\u2016\u00b2 there\"",
                    id));
  }

  /// A line for each combination of the other keys.
  void write_law(const Canvas& canvas, const PowerLaw& law, std::string_view suffix, std::string& data,
                 std::vector<std::string>& plots) const {
    const bool critical = suffix == "k";
    for (std::size_t line = 0; line < lines_.size(); ++line) {
      const auto id = fmt::format("{}{}l{}", canvas.data, suffix, line);
      auto out = std::back_inserter(data);
      fmt::format_to(out, "{} << END\n", id);
      for (const double x : {x_.low, x_.high}) {
        auto keys = lines_[line];
        keys.insert(keys.begin() + static_cast<std::ptrdiff_t>(key_), x);
        fmt::format_to(out, "{:.9g} {:.9g}\n", x, law.at(keys));
      }
      fmt::format_to(out, "END\n");
      const auto colour = critical ? std::string_view("#000000") : style(line).colour;
      const auto title =
          line == 0 ? fmt::format("title \"{}\"", law_text("exponent", law)) : std::string("notitle");
      plots.push_back(fmt::format("{} using 1:2 with lines linecolor rgb \"{}\" linewidth 1.4 dashtype {} {}",
                                  id, colour, critical ? "(4,4)" : "solid", title));
    }
  }

  Curves curves_;
  OptimumFit fit_;
  std::size_t key_;
  std::vector<std::vector<double>> lines_;  ///< combinations of the further keys
  Range x_, y_;
  std::size_t legend_ = 0;
};

template <class Panel>
Part part_of(const Panel& panel) {
  return {panel.width(), panel.height(),
          [panel](const Canvas& canvas, std::string& data, std::string& script) {
            panel.write(canvas, data, script);
          }};
}

}  // namespace

std::vector<Part> optimum_parts(const Curves& curves, const OptimumFit& fit) {
  std::vector<Part> parts{part_of(CurvePanel(curves, fit))};
  const bool any =
      std::ranges::any_of(fit.optima, [](const Optimum& o) { return o.kind != OptimumKind::undetermined; });
  for (std::size_t key = 0; key < curves.keys.size() && any; ++key) {
    const bool positive = std::ranges::all_of(fit.optima, [&](const Optimum& o) { return o.keys[key] > 0; });
    if (positive) parts.push_back(part_of(LawPanel(curves, fit, key)));
  }
  return parts;
}

}  // namespace soret::analysis
