#include "soret/base/formula.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

#if defined(SORET_HAVE_MUPARSER)
#include <muParser.h>
#else
#include "soret/base/formula_tree.hpp"
#endif

namespace soret {

#if defined(SORET_HAVE_MUPARSER)
namespace {

[[noreturn]] void refuse(const std::string& text, std::size_t at, const std::string& what) {
  throw ConfigError(fmt::format("{} at character {} of the formula\n  {}\n  {}^", what, at + 1, text,
                                std::string(at, ' ')));
}

}  // namespace

struct Formula::Parser {
  Parser(std::string formula, std::vector<std::string> names)
      : text(std::move(formula)), variables(std::move(names)), values(variables.size()) {
    if (trim(text).empty()) throw ConfigError("the formula is empty");
    parser.DefineConst("pi", 3.14159265358979323846);
    for (std::size_t v = 0; v < variables.size(); ++v) {
      values[v] = 0.5;
      parser.DefineVar(variables[v], &values[v]);
    }
    refuse_assignments();
    parser.SetExpr(text);
    try {
      int results = 0;
      parser.Eval(results);
      if (results != 1) refuse(text, text.find(','), "more than one value");
    } catch (const mu::Parser::exception_type& error) {
      explain(error);
    }
  }

  /// muParser would let `x = 2` set x and go on with 2.
  void refuse_assignments() const {
    for (std::size_t at = text.find('='); at != std::string::npos; at = text.find('=', at + 1)) {
      const bool after = at > 0 && std::string("=!<>").find(text[at - 1]) != std::string::npos;
      const bool before = at + 1 < text.size() && text[at + 1] == '=';
      if (!after && !before) refuse(text, at, "'=' assigns, which a formula does not (== compares),");
    }
  }

  [[noreturn]] void explain(const mu::Parser::exception_type& error) const {
    const std::string& token = error.GetToken();
    const auto at =
        std::min(static_cast<std::size_t>(std::max(0, static_cast<int>(error.GetPos()))), text.size());
    switch (error.GetCode()) {
      case mu::ecUNASSIGNABLE_TOKEN: {
        std::vector<std::string> known = variables;
        known.emplace_back("pi");
        for (const auto& [name, function] : parser.GetFunDef()) known.push_back(name);
        const std::string hint = did_you_mean(token, known);
        refuse(text, at,
               fmt::format("unknown name '{}' (variables are {} and the constant pi{}),", token,
                           fmt::join(variables, ", "), hint));
      }
      case mu::ecUNEXPECTED_EOF:
        refuse(text, text.size(), "unexpected end");
      case mu::ecMISSING_PARENS:
        refuse(text, at, "a ')' is missing");
      default:
        refuse(text, at, token.empty() ? "cannot be read" : fmt::format("'{}' cannot be read", token));
    }
  }

  std::string text;
  std::vector<std::string> variables;
  std::vector<double> values;  ///< where the parser looks for the variables
  mu::Parser parser;
};

// One place at a time: muParser keeps the compiled formula for that, while its bulk mode parses the text
// again for every bulk and is faster only for more than a thousand places.
void Formula::evaluate(std::span<const double* const> x, std::span<double> results) const {
  Parser& p = *parser_;
  for (std::size_t k = 0; k < results.size(); ++k) {
    for (std::size_t v = 0; v < p.values.size(); ++v) p.values[v] = x[v][k];
    results[k] = p.parser.Eval();
  }
}

double Formula::operator()(std::span<const double> x) const {
  Parser& p = *parser_;
  std::ranges::copy(x, p.values.begin());
  return p.parser.Eval();
}

#else

struct Formula::Parser {
  Parser(std::string formula, std::vector<std::string> names)
      : text(std::move(formula)), variables(std::move(names)), tree(text, variables) {}
  std::string text;
  std::vector<std::string> variables;
  FormulaTree tree;
};

void Formula::evaluate(std::span<const double* const> x, std::span<double> results) const {
  std::vector<double> place(x.size());
  for (std::size_t k = 0; k < results.size(); ++k) {
    for (std::size_t v = 0; v < x.size(); ++v) place[v] = x[v][k];
    results[k] = parser_->tree(place);
  }
}

double Formula::operator()(std::span<const double> x) const {
  return parser_->tree(x);
}

#endif

const std::string& Formula::text() const {
  return parser_->text;
}

Formula::Formula(std::string text, std::vector<std::string> variables)
    : parser_(std::make_unique<Parser>(std::move(text), std::move(variables))) {}
Formula::Formula(const Formula& other) : Formula(other.parser_->text, other.parser_->variables) {}
Formula& Formula::operator=(const Formula& other) {
  return *this = Formula(other);
}
Formula::Formula(Formula&&) noexcept = default;
Formula& Formula::operator=(Formula&&) noexcept = default;
Formula::~Formula() = default;

}  // namespace soret
