using System.Buffers.Binary;
using System.Text;
using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

public class TensorBoardTests
{
    [Theory]
    [InlineData("123456789", 0xE3069283u)]
    [InlineData("", 0u)]
    [InlineData("a", 0xC1D04330u)]
    public void Crc32c_gives_the_published_check_values(string text, uint expected)
    {
        Assert.Equal(expected, TensorBoardWriter.Crc32C(Encoding.ASCII.GetBytes(text)));
        Assert.Equal(expected, BitwiseCrc(Encoding.ASCII.GetBytes(text)));
    }

    // RFC 3720, appendix B.4: 32 bytes of zeros, and 32 bytes of ones.
    [Theory]
    [InlineData(0x00, 0x8A9136AAu)]
    [InlineData(0xFF, 0x62A8AB43u)]
    public void Crc32c_gives_the_iscsi_test_vectors(byte value, uint expected) =>
        Assert.Equal(expected, TensorBoardWriter.Crc32C(Enumerable.Repeat(value, 32).ToArray()));

    [Fact]
    public void Events_decode_to_what_was_written()
    {
        using var folder = new TemporaryFolder();
        var clock = new FakeClock();
        string path;
        using (var writer = new TensorBoardWriter(folder["grpo"], clock, "box"))
        {
            path = writer.Path;
            clock.Advance(1.5);
            writer.Scalars("grpo", 300, [new("reward", 0.625), new("kl", double.NaN)]);
            writer.Text("sample", "2+2=4 ✓", 301);
        }

        Assert.Equal("events.out.tfevents.1700000000.box.llmrl", Path.GetFileName(path));
        var events = Records(File.ReadAllBytes(path)).Select(record => Fields(record)).ToArray();
        Assert.Equal(4, events.Length);
        Assert.Equal("brain.Event:2", Text(Single(events[0], 3)));

        Assert.Equal(1_700_000_001.5, BinaryPrimitives.ReadDoubleLittleEndian(Single(events[1], 1)));
        Assert.Equal(300UL, Number(Single(events[1], 2)));
        var value = Fields(Single(Fields(Single(events[1], 5)), 1));
        Assert.Equal("grpo/reward", Text(Single(value, 1)));
        Assert.Equal(0.625f, BinaryPrimitives.ReadSingleLittleEndian(Single(value, 2)));
        Assert.True(float.IsNaN(BinaryPrimitives.ReadSingleLittleEndian(Single(Fields(Single(Fields(Single(events[2], 5)), 1)), 2))));

        var text = Fields(Single(Fields(Single(events[3], 5)), 1));
        Assert.Equal("sample/text_summary", Text(Single(text, 1)));
        var tensor = Fields(Single(text, 8));
        Assert.Equal(7UL, Number(Single(tensor, 1)));
        Assert.Equal("2+2=4 ✓", Text(Single(tensor, 8)));
        Assert.Equal("text", Text(Single(Fields(Single(Fields(Single(text, 9)), 1)), 1)));
    }

    [Fact]
    public void A_resumed_run_starts_a_second_file_that_hides_later_steps()
    {
        using var folder = new TemporaryFolder();
        var clock = new FakeClock();
        new TensorBoardWriter(folder["grpo"], clock, "box").Dispose();
        string second;
        using (var writer = new TensorBoardWriter(folder["grpo"], clock, "box", purgeStep: 11)) second = writer.Path;
        Assert.Equal(2, Directory.GetFiles(folder["grpo"]).Length);
        var session = Fields(Records(File.ReadAllBytes(second))[1]);
        Assert.Equal(11UL, Number(Single(session, 2)));
        Assert.Equal(1UL, Number(Single(Fields(Single(session, 7)), 1)));
    }

    private static List<byte[]> Records(byte[] file)
    {
        var records = new List<byte[]>();
        for (var at = 0; at < file.Length;)
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at));
            Assert.Equal(BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8)), Masked(file.AsSpan(at, 8)));
            var data = file.AsSpan(at + 12, length);
            Assert.Equal(BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length)), Masked(data));
            records.Add(data.ToArray());
            at += length + 16;
        }

        return records;
    }

    private static uint Masked(ReadOnlySpan<byte> data)
    {
        var crc = BitwiseCrc(data);
        return ((crc >> 15) | (crc << 17)) + 0xA282EAD8;
    }

    private static uint BitwiseCrc(ReadOnlySpan<byte> data)
    {
        var crc = ~0u;
        foreach (var b in data)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82F63B78 & (0u - (crc & 1)));
        }

        return ~crc;
    }

    /// <summary>The fields of a protobuf message; a varint is given as its eight bytes.</summary>
    private static List<(int Field, byte[] Value)> Fields(byte[] message)
    {
        var fields = new List<(int, byte[])>();
        var at = 0;
        while (at < message.Length)
        {
            var key = Varint(message, ref at);
            var length = (key & 7) switch { 0 => 0, 1 => 8, 5 => 4, 2 => (int)Varint(message, ref at), _ => throw new InvalidDataException() };
            var value = (key & 7) == 0 ? BitConverter.GetBytes(Varint(message, ref at)) : message.AsSpan(at, length).ToArray();
            at += length;
            fields.Add(((int)(key >> 3), value));
        }

        return fields;
    }

    private static ulong Varint(byte[] bytes, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var b = bytes[at++];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80) return value;
        }
    }

    private static byte[] Single(List<(int Field, byte[] Value)> fields, int field) => Assert.Single(fields, pair => pair.Field == field).Value;

    private static ulong Number(byte[] value) => BinaryPrimitives.ReadUInt64LittleEndian(value);

    private static string Text(byte[] value) => Encoding.UTF8.GetString(value);
}
