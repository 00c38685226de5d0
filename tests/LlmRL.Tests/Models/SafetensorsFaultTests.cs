using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using LlmRL.Models;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Models;

/// <summary>A damaged weight file is refused with one message that names the file, and the tensor where there is one.</summary>
[Collection(TensorCollection.Name)]
public sealed class SafetensorsFaultTests : IDisposable
{
    private const string Tensor = "model.layers.1.mlp.down_proj.weight";
    private readonly TemporaryFolder folder = new();
    private readonly byte[] whole;

    public SafetensorsFaultTests()
    {
        using var model = Tiny.Model(TestShapes.Of("llama-grouped"));
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        whole = File.ReadAllBytes(WeightsPath);
    }

    private string WeightsPath => Path.Combine(folder.Path, "model.safetensors");

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(9)]
    [InlineData(200)]
    [InlineData(-1)]
    [InlineData(-5000)]
    public void CutShort(int length) => AssertRefused(whole[..(length > 0 ? length : length == 0 ? 0 : whole.Length + length)], "cut short");

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(-1L)]
    [InlineData(1_000_000_000L)]
    public void HeaderLengthLies(long length)
    {
        var bytes = whole.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(bytes, length);
        AssertRefused(bytes, $"{length} bytes");
    }

    [Fact]
    public void NoSafetensorsAtAll() => AssertRefused([.. whole[..8], .. Encoding.UTF8.GetBytes(new string('x', whole.Length))], "header");

    [Theory]
    [InlineData("[0, 9223372036854775807]")]
    [InlineData("[-8, 14584]")]
    [InlineData("[14592, 0]")]
    [InlineData("[0, 16]")]
    public void OffsetsLie(string offsets) => AssertRefused(Edited(entry => entry["data_offsets"] = JsonNode.Parse(offsets)), Tensor);

    [Theory]
    [InlineData("[48, 77]")]
    [InlineData("[-48, -76]")]
    [InlineData("[4611686018427387904, 4]")]
    [InlineData("[]")]
    public void ShapeDoesNotFitItsBytes(string shape) => AssertRefused(Edited(entry => entry["shape"] = JsonNode.Parse(shape)), Tensor);

    [Theory]
    [InlineData("shape", "\"wide\"")]
    [InlineData("shape", "[1.5]")]
    [InlineData("data_offsets", "[0]")]
    [InlineData("data_offsets", "{}")]
    [InlineData("dtype", "7")]
    [InlineData("dtype", "null")]
    public void HeaderHasOtherTypes(string key, string value) => AssertRefused(Edited(entry => entry[key] = JsonNode.Parse(value)), "model.safetensors");

    [Fact]
    public void UnknownElementType() => AssertRefused(Edited(entry => entry["dtype"] = "F8_E4M3"), Tensor, "F8_E4M3");

    [Fact]
    public void IntegersAreNoWeights() => AssertRefused(Edited(entry => entry["dtype"] = "I32"), Tensor, "I32");

    [Fact]
    public void ShapeIsNotTheConfigs() => AssertRefused(Edited(entry => entry["shape"] = new JsonArray(76, 48)), Tensor, "[76, 48]", "[48, 76]");

    [Fact]
    public void TensorIsMissing() => AssertRefused(Edited(null), Tensor, "missing");

    [Fact]
    public void HalvesAreWidened()
    {
        var values = new[] { 1f, -2.5f, 0.000061035156f, 65504f };
        var data = new byte[16];
        for (var i = 0; i < 4; i++)
        {
            BinaryPrimitives.WriteHalfLittleEndian(data.AsSpan(2 * i), (Half)values[i]);
            BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(8 + 2 * i), (ushort)(BitConverter.SingleToUInt32Bits(values[i]) >> 16));
        }

        File.WriteAllBytes(WeightsPath, Pack("""{"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[8,16]}}""", data));
        using var reader = new SafetensorsReader(WeightsPath);
        var read = new float[4];
        reader.Read(reader.Entries["h"], read);
        Assert.Equal(values, read);
        reader.Read(reader.Entries["b"], read);
        Assert.Equal([1f, -2.5f, 0.000061035156f, 65280f], read);
    }

    private void AssertRefused(byte[] bytes, params string[] words)
    {
        File.WriteAllBytes(WeightsPath, bytes);
        var message = Assert.Throws<BadInputException>(() => ModelFolder.Load(folder.Path)).Message;
        Assert.All(words.Append(WeightsPath), word => Assert.Contains(word, message, StringComparison.Ordinal));
    }

    /// <summary>The file with one tensor's header entry changed, or taken out.</summary>
    private byte[] Edited(Action<JsonNode>? change)
    {
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(whole);
        var header = JsonNode.Parse(whole.AsSpan(8, length))!.AsObject();
        if (change is null)
            header.Remove(Tensor);
        else
            change(header[Tensor]!);
        return Pack(header.ToJsonString(), whole[(8 + length)..]);
    }

    private static byte[] Pack(string header, byte[] data)
    {
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        return [.. length, .. Encoding.UTF8.GetBytes(header), .. data];
    }
}
