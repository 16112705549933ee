#include "soret/data/compressed_file.hpp"

#include <gmock/gmock.h>

#include "files.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CompressedFileTest : public FilesTest {
 protected:
  Bytes read_all(const Bytes& stored) const {
    CompressedFile file(write("stored", stored));
    Bytes content = file.read_up_to(std::size_t{1} << 26);
    file.expect_end();
    return content;
  }
  std::string complaint(const Bytes& stored) const {
    return message_of<InputError>([&] { read_all(stored); });
  }
};

class CompressedFilePackingTest : public CompressedFileTest, public testing::WithParamInterface<Packing> {};
INSTANTIATE_TEST_SUITE_P(Every, CompressedFilePackingTest,
                         testing::Values(Packing::plain, Packing::gzip, Packing::xz));

TEST_P(CompressedFilePackingTest, GivesBackTheContentWhateverItsSize) {
  // The reader's buffer holds 2^18 bytes; constant content decompresses to many times the buffer.
  for (const std::size_t size : {0U, 1U, 5U, 6U, 7U, 262143U, 262144U, 262145U, 524288U, 3000017U}) {
    EXPECT_EQ(read_all(pack(noise(size), GetParam())), noise(size)) << size;
    EXPECT_EQ(read_all(pack(Bytes(size, 7), GetParam())), Bytes(size, 7)) << size;
  }
}

TEST_P(CompressedFilePackingTest, ReadsInPiecesOfAnySize) {
  const Bytes content = noise(10007);
  CompressedFile file(write("stored", pack(content, GetParam())));
  Bytes joined;
  for (std::size_t piece = 1; joined.size() < content.size(); piece = 3 * piece + 1) {
    joined = joined + file.read_up_to(piece);
  }
  EXPECT_EQ(joined, content);
  EXPECT_TRUE(file.read_up_to(1).empty());
  EXPECT_NO_THROW(file.expect_end());
}

TEST_P(CompressedFilePackingTest, ExpectEndRefusesMoreContent) {
  CompressedFile file(write("stored", pack(noise(11), GetParam())));
  file.read_up_to(10);
  EXPECT_THAT(message_of<InputError>([&] { file.expect_end(); }),
              AllOf(HasSubstr("stored"), HasSubstr("more than the 10 bytes")));
}

class CompressedFileDamageTest : public CompressedFileTest, public testing::WithParamInterface<Packing> {};
INSTANTIATE_TEST_SUITE_P(Every, CompressedFileDamageTest, testing::Values(Packing::gzip, Packing::xz));

TEST_P(CompressedFileDamageTest, EveryTruncationIsNoticed) {
  const Bytes stored = pack(noise(301), GetParam());
  const std::size_t magic = GetParam() == Packing::gzip ? 2 : 6;
  for (std::size_t size = magic; size < stored.size(); ++size) {
    EXPECT_THAT(complaint(first_bytes(stored, size)), AllOf(HasSubstr("stored"), HasSubstr("truncated")))
        << size;
  }
}

TEST_P(CompressedFileDamageTest, EveryFlippedContentByteIsNoticed) {
  const Bytes stored = pack(noise(301), GetParam());
  // Behind the headers (10 and 24 bytes), before the checksums end the file.
  for (std::size_t i = 24; i < stored.size(); ++i) {
    Bytes damaged = stored;
    damaged[i] ^= 0x10;
    EXPECT_THROW(read_all(damaged), InputError) << i;
  }
}

TEST_P(CompressedFileDamageTest, TrailingBytesAreRefused) {
  const Bytes stored = pack(noise(301), GetParam());
  EXPECT_THAT(complaint(stored + noise(41)), HasSubstr("followed by something else"));
  EXPECT_THROW(read_all(stored + Bytes{'x'}), InputError);
  EXPECT_THROW(read_all(stored + Bytes{0}), InputError);
}

TEST_P(CompressedFileDamageTest, JoinedFilesGiveJoinedContent) {
  EXPECT_EQ(read_all(pack(noise(301, 1), GetParam()) + pack(noise(17, 2), GetParam())),
            noise(301, 1) + noise(17, 2));
}

TEST_F(CompressedFileTest, ReadsAShortBeginningOfABrokenFile) {
  const Bytes stored = gzip(noise(100000));
  CompressedFile file(write("stored", first_bytes(stored, stored.size() / 2)));
  EXPECT_EQ(file.read_up_to(1000), noise(1000));
}

TEST_F(CompressedFileTest, AbsentFileAndDirectoryAreRefused) {
  EXPECT_THAT(message_of<InputError>([&] { CompressedFile(directory / "absent"); }),
              AllOf(HasSubstr("absent"), HasSubstr("No such file")));
  EXPECT_THAT(message_of<InputError>([&] { CompressedFile(directory).read_up_to(1); }),
              AllOf(HasSubstr(directory.string()), HasSubstr("Is a directory")));
}

}  // namespace
}  // namespace soret::data
