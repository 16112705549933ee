#pragma once

#include <string>
#include <string_view>
#include <vector>

/// The command line (DESIGN section 2). A command reads its words, prints its result on stdout and everything
/// else on stderr, and reports failure by throwing; exit codes are decided in cli.cpp alone.
namespace soret::cli {

using Words = std::vector<std::string>;

/// Runs `soret WORDS...` and returns the exit code: 0 done, 2 usage or config error, 3 unreadable or invalid
/// input file, 4 the run failed, 130 interrupted.
int main(const Words& words);

struct Command {
  std::string_view name;
  std::string_view summary;
  void (*run)(const Words& words);  ///< the words after the command's name
};

void run(const Words& words);
void list(const Words& words);
void describe(const Words& words);
void info(const Words& words);
void collapse(const Words& words);
void fit(const Words& words);
void correlate(const Words& words);
void plot(const Words& words);
void table(const Words& words);
void export_csv(const Words& words);
void merge(const Words& words);
void gradient(const Words& words);
void update(const Words& words);
void bench(const Words& words);

}  // namespace soret::cli
