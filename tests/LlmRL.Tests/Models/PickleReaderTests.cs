using System.IO.Compression;
using System.Text.Json.Nodes;
using LlmRL.Models;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Models;

/// <summary>State dicts of torch.save: read where they hold tensors, refused with one message where they are damaged or would run code.</summary>
[Collection(TensorCollection.Name)]
public sealed class PickleReaderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string FilePath => folder["weights.pt"];

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TensorsOfEveryTypeAndViewAreRead(bool legacy)
    {
        var writer = new PickleWriter { Legacy = legacy }.Protocol().Dictionary(
            ("f32", w => w.Floats([2, 3], 1, 2, 3, 4, 5, 6)),
            ("f16", w => w.Tensor("HalfStorage", [.. new[] { 1f, -2.5f }.SelectMany(x => BitConverter.GetBytes((Half)x))], 2, [2])),
            ("bf16", w => w.Tensor("BFloat16Storage", [0x80, 0x3f, 0x20, 0xc0], 2, [2, 1])),
            ("f64", w => w.Tensor("DoubleStorage", BitConverter.GetBytes(0.1), 8, [])),
            ("empty", w => w.Tensor("FloatStorage", [], 4, [0, 5])),
            ("count", w => w.Tensor("LongStorage", BitConverter.GetBytes(7L), 8, [])),
            // Views of the first storage: its columns as rows, and its second row.
            ("turned", w => w.Tensor("FloatStorage", new byte[24], 4, [3, 2], [1, 3], storage: "0")),
            ("row", w => w.Tensor("FloatStorage", new byte[24], 4, [3], [1], offset: 3, storage: "0")),
            ("spread", w => w.Tensor("FloatStorage", new byte[24], 4, [2, 2], [3, 2], storage: "0")),
            ("parameter", w => w.Global("torch._utils", "_rebuild_parameter").Op('(').Floats([1], 9).Op('\x88').Global("collections", "OrderedDict").Op(')').Op('R').Op('t').Op('R')),
            ("step", w => w.Int(3)));
        writer.Op('}').Text("_metadata").Op('N').Op('s').Op('b').Op('.');
        File.WriteAllBytes(FilePath, legacy ? writer.Old() : writer.Archive());
        using var reader = new PickleReader(FilePath);
        Assert.Equal([1, 2, 3, 4, 5, 6], Read(reader, "f32"));
        Assert.Equal([1f, -2.5f], Read(reader, "f16"));
        Assert.Equal([1f, -2.5f], Read(reader, "bf16"));
        Assert.Equal([0.1f], Read(reader, "f64"));
        Assert.Empty(Read(reader, "empty"));
        Assert.Equal([1, 4, 2, 5, 3, 6], Read(reader, "turned"));
        Assert.Equal([4, 5, 6], Read(reader, "row"));
        Assert.Equal([1, 3, 4, 6], Read(reader, "spread"));
        Assert.Equal([9f], Read(reader, "parameter"));
        Assert.Null(reader.ShapeOf("step"));
        Assert.Contains("count has type I64", Assert.Throws<BadInputException>(() => Read(reader, "count")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pytorch_model.bin", false)]
    [InlineData("pytorch_model.bin", true)]
    [InlineData("ckpt.pt", false)]
    public void AModelsWeightsAreReadAsFromSafetensors(string name, bool legacy)
    {
        using var model = Tiny.Model(TestShapes.Of("gpt_neox"));
        Convert(model, tensors => [(name, tensors, legacy)]);
        using var loaded = ModelFolder.Load(folder.Path);
        Assert.Equal(Values(model), Values(loaded));
        Assert.False(ModelFolder.Check(folder.Path));
    }

    [Fact]
    public void ShardsAreReadThroughTheirIndex()
    {
        using var model = Tiny.Model(TestShapes.Of("gpt2"));
        var map = new JsonObject();
        Convert(model, tensors =>
        {
            var half = tensors.Length / 2;
            foreach (var (i, (tensor, _)) in tensors.Index())
                map[tensor] = i < half ? "a.bin" : "b.bin";
            return [("a.bin", tensors[..half], false), ("b.bin", tensors[half..], false)];
        });
        File.WriteAllText(folder["pytorch_model.bin.index.json"], new JsonObject { ["weight_map"] = map }.ToJsonString());
        using var loaded = ModelFolder.Load(folder.Path);
        Assert.Equal(Values(model), Values(loaded));
        File.Delete(folder["b.bin"]);
        Assert.Contains("b.bin", Assert.Throws<BadInputException>(() => ModelFolder.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    public static TheoryData<string> Attacks => ["reduce", "stack global", "inst", "obj", "newobj", "state", "extension", "persistent", "nested call", "memoised"];

    [Theory]
    [MemberData(nameof(Attacks))]
    public void WhatCouldRunCodeIsRefused(string attack)
    {
        var writer = new PickleWriter().Protocol();
        var named = attack switch
        {
            "reduce" => Named("posix.system", writer.Global("posix", "system").Op('(').Text("touch owned").Op('t').Op('R').Op('.')),
            "stack global" => Named("builtins.eval", writer.Text("builtins").Text("eval").Op('\x93').Op('(').Text("1").Op('t').Op('R').Op('.')),
            "inst" => Named("0x69", writer.Op('(').Op('i', "os\nsystem\n"u8.ToArray()).Op('.')),
            "obj" => Named("os.system", writer.Op('(').Global("os", "system").Text("x").Op('o').Op('.')),
            "newobj" => Named("0x81", writer.Global("collections", "OrderedDict").Op(')').Op('\x81').Op('.')),
            "state" => Named("state of an object", writer.Floats([1], 1).Op('}').Op('b').Op('.')),
            "extension" => Named("0x82", writer.Op('\x82', 1).Op('.')),
            "persistent" => Named("no storage", writer.Text("a path").Op('Q').Op('.')),
            "nested call" => Named("storage type", writer.Global("torch", "FloatStorage").Op(')').Op('R').Op('.')),
            _ => Named("no known function", writer.Text("x").Op('q', 0).Op('0').Op('h', 0).Op(')').Op('R').Op('.')),
        };
        foreach (var bytes in new[] { writer.Archive(), writer.Bare() })
        {
            File.WriteAllBytes(FilePath, bytes);
            var message = Assert.Throws<BadInputException>(() => new PickleReader(FilePath)).Message;
            Assert.Contains(named, message, StringComparison.Ordinal);
            Assert.Contains(FilePath, message, StringComparison.Ordinal);
        }

        static string Named(string word, PickleWriter _) => word;
    }

    [Fact]
    public void SizesThatLieAreRefused()
    {
        void Refused(string word, Action<PickleWriter> tensor)
        {
            File.WriteAllBytes(FilePath, new PickleWriter().Protocol().Dictionary(("x", tensor)).Op('.').Archive());
            Assert.Contains(word, Assert.Throws<BadInputException>(() => new PickleReader(FilePath)).Message, StringComparison.Ordinal);
        }

        var eight = new byte[8];
        Refused("beyond its storage", w => w.Tensor("FloatStorage", eight, 4, [3]));
        Refused("beyond its storage", w => w.Tensor("FloatStorage", eight, 4, [2], [2]));
        Refused("beyond its storage", w => w.Tensor("FloatStorage", eight, 4, [1], offset: 2));
        Refused("beyond its storage", w => w.Tensor("FloatStorage", eight, 4, [int.MaxValue, int.MaxValue, int.MaxValue], [int.MaxValue, int.MaxValue, int.MaxValue]));
        Refused("other arguments", w => w.Tensor("FloatStorage", eight, 4, [2], [-1]));
        Refused("other arguments", w => w.Tensor("FloatStorage", eight, 4, [-2], [1]));
        Refused("other arguments", w => w.Tensor("FloatStorage", eight, 4, [2], [1, 1]));
        Refused("were announced", w => w.Tensor("DoubleStorage", eight, 4, [1]));
        File.WriteAllBytes(FilePath, new PickleWriter().Protocol().Dictionary(("x", w => w.Floats([100], new float[100]))).Op('.').Archive(CompressionLevel.Optimal));
        Assert.Contains("compressed", Assert.Throws<BadInputException>(() => new PickleReader(FilePath)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("abcdefgh")]
    [InlineData("PK\u0003\u0004 and then no archive")]
    public void NoPyTorchFileAtAll(string content)
    {
        File.WriteAllText(FilePath, content);
        Assert.Contains(FilePath, Assert.Throws<BadInputException>(() => new PickleReader(FilePath)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void APickleWithoutTensorsIsNoStateDict()
    {
        File.WriteAllBytes(FilePath, new PickleWriter().Protocol().Dictionary(("learning_rate", w => w.Int(3))).Op('.').Archive());
        Assert.Contains("no state dict", Assert.Throws<BadInputException>(() => new PickleReader(FilePath)).Message, StringComparison.Ordinal);
    }

    /// <summary>Any damage ends in tensors or in one message.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void DamagedFilesAreReadOrRefused(bool legacy)
    {
        var writer = new PickleWriter { Legacy = legacy }.Protocol().Dictionary(("a", w => w.Floats([2, 3], 1, 2, 3, 4, 5, 6)), ("b", w => w.Floats([300], new float[300]))).Op('.');
        var whole = legacy ? writer.Old() : writer.Archive();
        var random = new RandomStream(CounterRandom.Key(17));
        var refused = 0;
        for (var i = 0; i < 450; i++)
        {
            var bytes = i % 3 == 0 ? whole[..random.Next(0, whole.Length)] : whole.ToArray();
            for (var flips = i % 3; flips > 0; flips--)
                // Most of the bytes are numbers; the structure is at the beginning, and in an archive at the end.
                bytes[random.Next(0, 2) == 0 ? random.Next(0, Math.Min(400, bytes.Length)) : bytes.Length - 1 - random.Next(0, Math.Min(400, bytes.Length))] = (byte)random.Next(0, 256);
            File.WriteAllBytes(FilePath, bytes);
            try
            {
                using var reader = new PickleReader(FilePath);
                foreach (var name in reader.Names)
                    Read(reader, name);
            }
            catch (BadInputException fault)
            {
                Assert.StartsWith(FilePath, fault.Message, StringComparison.Ordinal);
                refused++;
            }
        }

        Assert.InRange(refused, 100, 449);
    }

    private static float[] Read(PickleReader reader, string name)
    {
        var values = new float[reader.ShapeOf(name)!.Aggregate(1L, (product, length) => product * length)];
        reader.Read(name, values);
        return values;
    }

    private static float[] Values(Transformer model) => model.Parameters.Values.detach().data<float>().ToArray();

    /// <summary>Saves a model and puts PyTorch files in the place of its weights.</summary>
    private void Convert(Transformer model, Func<(string Name, Action<PickleWriter> Tensor)[], (string File, (string Name, Action<PickleWriter> Tensor)[] Tensors, bool Legacy)[]> cut)
    {
        ModelFolder.Save(model, folder.Path, tokenizer: null);
        var tensors = new List<(string, Action<PickleWriter>)>();
        using (var stored = new SafetensorsReader(folder["model.safetensors"]))
        {
            foreach (var entry in stored.Entries.Values)
            {
                var values = new float[entry.Elements];
                stored.Read(entry, values);
                tensors.Add((entry.Name, writer => writer.Floats(entry.Shape, values)));
            }
        }

        File.Delete(folder["model.safetensors"]);
        foreach (var (file, own, legacy) in cut([.. tensors]))
        {
            var writer = new PickleWriter { Legacy = legacy }.Protocol().Op('}').Text("model").Dictionary(own).Op('s').Op('.');
            File.WriteAllBytes(folder[file], legacy ? writer.Old() : writer.Archive());
        }
    }
}
