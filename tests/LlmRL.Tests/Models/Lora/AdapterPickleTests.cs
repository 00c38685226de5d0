using System.Text.Json.Nodes;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;

namespace LlmRL.Tests.Models.Lora;

/// <summary>Adapters in PyTorch's format, <c>adapter_model.bin</c>, as PEFT saved them before safetensors and does with <c>safe_serialization=False</c>.</summary>
[Collection(TensorCollection.Name)]
public sealed class AdapterPickleTests : IDisposable
{
    private const string SafetensorsName = "adapter_model.safetensors", PickleName = "adapter_model.bin";

    private readonly TemporaryFolder folder = new();

    private string Adapter => folder["adapter"];

    public void Dispose() => folder.Dispose();

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (var shape in LoraCase.Shapes)
            cases.Add(shape, "archive");
        cases.Add("llama-grouped", "legacy");
        cases.Add("gpt2", "as torch.save");
        cases.Add("qwen2", "as torch.save");
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void They_are_read_as_from_safetensors(string shape, string form)
    {
        using var test = new LoraCase(shape, new LoraOptions { R = 3, Alpha = 4.5, UseRslora = shape == "gpt2" });
        Save(test, form);
        Assert.False(AdapterFolder.Check(Adapter, test.Model.Config));
        using var read = AdapterFolder.Read(Adapter, test.Model.Config);
        Assert.Equal(LoraCase.Values(test.Adapters.Parameters), LoraCase.Values(read.Parameters));
        Assert.Equal(test.Adapters.Options.Scale, read.Options.Scale);

        // Merged into their base, they are the model with the adapters on.
        using var plain = LoraCase.Frozen(test.Plain);
        ModelFolder.Save(plain, folder["base"], tokenizer: null);
        using var merged = ModelFolder.LoadMerged(folder["base"], Adapter, trainable: false);
        ModelFolder.Save(test.Model, folder["expected"], tokenizer: null);
        using var expected = ModelFolder.Load(folder["expected"], trainable: false);
        Assert.Equal(LoraCase.Values(expected.Parameters), LoraCase.Values(merged.Parameters));
        Assert.NotEqual(LoraCase.Values(plain.Parameters), LoraCase.Values(merged.Parameters));
    }

    [Fact]
    public void Halves_become_the_numbers_that_they_stand_for()
    {
        using var test = new LoraCase("llama-grouped", new LoraOptions { R = 2 });
        Save(test, "halves");
        using var read = AdapterFolder.Read(Adapter, test.Model.Config);
        Assert.Equal(LoraCase.Values(test.Adapters.Parameters).Select(value => (float)(Half)value), LoraCase.Values(read.Parameters));
    }

    [Fact]
    public void A_folder_with_them_alone_stands_for_the_merged_model_and_brings_its_head()
    {
        using var test = new LoraCase("llama-grouped", new LoraOptions { R = 2 }, scalarHead: true);
        using var plain = LoraCase.Frozen(test.Plain);
        ModelFolder.Save(plain, folder["base"], tokenizer: null);
        ModelFolder.Save(test.Model, folder["expected"], tokenizer: null);
        Save(test, "as torch.save");
        var config = Path.Combine(Adapter, "adapter_config.json");
        var json = JsonNode.Parse(File.ReadAllText(config))!.AsObject();
        json["base_model_name_or_path"] = "../base";
        File.WriteAllText(config, json.ToJsonString());
        Assert.True(ModelFolder.Check(Adapter));
        using var loaded = ModelFolder.Load(Adapter, scalarHead: true, trainable: false);
        using var expected = ModelFolder.Load(folder["expected"], scalarHead: true, trainable: false);
        Assert.Equal(LoraCase.Values(expected.Parameters), LoraCase.Values(loaded.Parameters));
    }

    [Fact]
    public void Safetensors_come_first_where_both_are_there()
    {
        using var test = new LoraCase("gpt2", new LoraOptions { R = 2 });
        Save(test, "archive");
        var old = File.ReadAllBytes(Path.Combine(Adapter, PickleName));
        LoraCase.Shake(test.Adapters, 99);
        AdapterFolder.Save(test.Adapters, Adapter);
        File.WriteAllBytes(Path.Combine(Adapter, PickleName), old);
        using var read = AdapterFolder.Read(Adapter, test.Model.Config);
        Assert.Equal(LoraCase.Values(test.Adapters.Parameters), LoraCase.Values(read.Parameters));
    }

    [Theory]
    [InlineData("lacks one", "lora_B.weight is missing")]
    [InlineData("one more", "tensor base_model.model.model.embed_tokens.lora_A.weight belongs to no projection")]
    [InlineData("other rank", "has shape [1, ")]
    [InlineData("code", "posix.system")]
    [InlineData("cut", "")]
    [InlineData("no tensors", "")]
    public void What_does_not_fit_or_could_run_code_is_refused(string fault, string text)
    {
        using var test = new LoraCase("llama-grouped", new LoraOptions { R = 2 });
        var tensors = Save(test, "archive");
        var path = Path.Combine(Adapter, PickleName);
        var writer = new PickleWriter().Protocol();
        switch (fault)
        {
            case "lacks one":
                File.WriteAllBytes(path, Archive([.. tensors.Where(tensor => tensor.Name != tensors.Last(other => other.Name.EndsWith("lora_B.weight", StringComparison.Ordinal)).Name)]));
                break;
            case "one more":
                File.WriteAllBytes(path, Archive([.. tensors, ("base_model.model.model.embed_tokens.lora_A.weight", [2, 2], new float[4])]));
                break;
            case "other rank":
                File.WriteAllBytes(path, Archive([.. tensors.Select(tensor => tensor.Name.EndsWith("lora_A.weight", StringComparison.Ordinal) ? (tensor.Name, [1, tensor.Shape[1]], tensor.Values[..(int)tensor.Shape[1]]) : tensor)]));
                break;
            case "code":
                File.WriteAllBytes(path, writer.Global("posix", "system").Op('(').Text("true").Op('t').Op('R').Op('.').Archive());
                break;
            case "no tensors":
                File.WriteAllBytes(path, writer.Int(1).Op('.').Archive());
                break;
            default:
                File.WriteAllBytes(path, File.ReadAllBytes(path)[..^300]);
                break;
        }

        foreach (var read in new Action[] { () => AdapterFolder.Check(Adapter, test.Model.Config), () => AdapterFolder.Read(Adapter, test.Model.Config).Dispose() })
        {
            var message = Assert.Throws<BadInputException>(read).Message;
            Assert.StartsWith(path, message);
            Assert.Contains(text, message);
        }
    }

    /// <summary>Saves the adapters, their weights in PyTorch's format alone.</summary>
    /// <returns>The tensors by their names in the file.</returns>
    private (string Name, long[] Shape, float[] Values)[] Save(LoraCase test, string form)
    {
        AdapterFolder.Save(test.Adapters, Adapter);
        var path = Path.Combine(Adapter, SafetensorsName);
        (string Name, long[] Shape, float[] Values)[] tensors;
        using (var reader = new SafetensorsReader(path))
        {
            tensors = [.. reader.Entries.Values.Select(entry =>
            {
                var values = new float[entry.Elements];
                reader.Read(entry, values);
                return (entry.Name, entry.Shape, values);
            })];
        }

        File.Delete(path);
        File.WriteAllBytes(Path.Combine(Adapter, PickleName), form switch
        {
            "legacy" => Written(tensors, legacy: true).Old(),
            "as torch.save" => AsTorchSaves(tensors),
            "halves" => new PickleWriter().Protocol().Dictionary([.. tensors.Select(tensor => (tensor.Name, (Action<PickleWriter>)(writer =>
                writer.Tensor("HalfStorage", [.. tensor.Values.SelectMany(value => BitConverter.GetBytes((Half)value))], 2, tensor.Shape))))]).Op('.').Archive(),
            _ => Archive(tensors),
        });
        return tensors;
    }

    private static byte[] Archive((string Name, long[] Shape, float[] Values)[] tensors) => Written(tensors, legacy: false).Archive();

    private static PickleWriter Written((string Name, long[] Shape, float[] Values)[] tensors, bool legacy) => new PickleWriter { Legacy = legacy }.Protocol()
        .Dictionary([.. tensors.Select(tensor => (tensor.Name, (Action<PickleWriter>)(writer => writer.Floats(tensor.Shape, tensor.Values))))]).Op('.');

    /// <summary>
    /// PEFT's state dict is a plain dictionary, and Python's pickler (protocol 2) remembers everything that it has written: <c>q</c> puts it into the memo, <c>h</c> takes it from
    /// there. Tuples of two are <c>\x86</c>.
    /// </summary>
    private static byte[] AsTorchSaves((string Name, long[] Shape, float[] Values)[] tensors)
    {
        var writer = new PickleWriter().Protocol();
        var memo = new Dictionary<string, int>();
        var next = 0;
        writer.Op('}');
        Put(null);
        writer.Op('(');
        foreach (var (i, (name, shape, values)) in tensors.Index())
        {
            writer.Text(name);
            Put(null);
            Once("rebuild", () => writer.Global("torch._utils", "_rebuild_tensor_v2"));
            writer.Op('(').Op('(');
            Once("storage", () => writer.Text("storage"));
            Once("FloatStorage", () => writer.Global("torch", "FloatStorage"));
            writer.Text($"{i}");
            Put(null);
            Once("cpu", () => writer.Text("cpu"));
            writer.Int(values.Length).Op('t');
            Put(null);
            writer.Op('Q').Int(0).Int(shape[0]).Int(shape[1]).Op('\x86');
            Put(null);
            writer.Int(shape[1]).Int(1).Op('\x86');
            Put(null);
            writer.Op('\x89');
            Once("OrderedDict", () => writer.Global("collections", "OrderedDict"));
            writer.Op(')').Op('R');
            Put(null);
            writer.Op('t');
            Put(null);
            writer.Op('R');
            Put(null);
        }

        return writer.Op('u').Op('.').Archive([.. tensors.Select(tensor => tensor.Values.SelectMany(BitConverter.GetBytes).ToArray())]);

        void Put(string? key)
        {
            if (key is not null)
                memo[key] = next;
            _ = next < 256 ? writer.Op('q', (byte)next) : writer.Op('r', BitConverter.GetBytes(next));
            next++;
        }

        void Once(string key, Action write)
        {
            if (memo.TryGetValue(key, out var place))
            {
                _ = place < 256 ? writer.Op('h', (byte)place) : writer.Op('j', BitConverter.GetBytes(place));
                return;
            }

            write();
            Put(key);
        }
    }
}
