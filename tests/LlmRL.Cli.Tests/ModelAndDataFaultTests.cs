namespace LlmRL.Cli.Tests;

/// <summary>Unreadable models and data are refused by name, before anything is trained or written.</summary>
public sealed class ModelAndDataFaultTests(TrainedModel trained) : IClassFixture<TrainedModel>, IDisposable
{
    private const string Head = "name: faulty\nmodel: { config: tiny.json, tokenizer: bytes }\nstages:\n";
    private const string Sft = "  - sft: { name: sft, data: { generator: arithmetic, count: 50 }, steps: 1, batch_size: 2 }\n";

    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Theory]
    [InlineData("no config", "config.json", "no such file")]
    [InlineData("broken config", "config.json", "JSON")]
    [InlineData("unknown type", "config.json", "model_type 'mamba' is not supported", "llama")]
    [InlineData("type is a number", "config.json", "model_type", "7")]
    [InlineData("missing key", "config.json", "hidden_size is missing")]
    [InlineData("no weights", "model.safetensors", "the weights are missing")]
    [InlineData("cut weights", "model.safetensors", "cut short")]
    [InlineData("empty weights", "model.safetensors", "cut short")]
    [InlineData("other shapes", "model.safetensors", "has shape [", "but config.json asks for [")]
    [InlineData("more layers", "model.safetensors", "is missing; the weights do not belong to this config.json")]
    [InlineData("no tokenizer", "no tokenizer here", "tokenizer.json")]
    [InlineData("broken tokenizer", "tokenizer.json")]
    public void A_damaged_model_is_refused(string damage, params string[] texts)
    {
        var folder = TrainedModel.Copy(trained.Policy, place, "model");
        Damage(folder, damage);
        place.Run("generate", "--model", "model", "--prompt", "Q").RefusedInOneLine(texts);
        // Both commands read models by the same code, so that some kinds of damage will do.
        if (damage is not ("no config" or "cut weights" or "other shapes" or "no tokenizer"))
            return;
        place.Write("recipe.yaml", Head.Replace("config: tiny.json, tokenizer: bytes", "path: model") + Sft);
        var where = damage is "no config" or "no tokenizer" ? "recipe.yaml:2: model." : "recipe.yaml:4: stages.0.sft.policy: ";
        place.Run("run", "recipe.yaml", "--out", "out").RefusedInOneLine([where, .. damage == "no config" ? ["config.json"] : texts]);
        Assert.False(Directory.Exists(place["out"]));
    }

    private static void Damage(string folder, string damage)
    {
        string At(string name) => Path.Combine(folder, name);
        void Edit(string from, string to)
        {
            var text = File.ReadAllText(At("config.json"));
            Assert.Contains(from, text);
            File.WriteAllText(At("config.json"), text.Replace(from, to));
        }

        switch (damage)
        {
            case "no config": File.Delete(At("config.json")); break;
            case "broken config": File.WriteAllText(At("config.json"), "{\n \"model_type\": \"llama\",, }"); break;
            case "unknown type": Edit("\"llama\"", "\"mamba\""); break;
            case "type is a number": Edit("\"llama\"", "7"); break;
            case "missing key": Edit("\"hidden_size\"", "\"hidden_sise\""); break;
            case "no weights": File.Delete(At("model.safetensors")); break;
            case "cut weights": using (var file = File.OpenWrite(At("model.safetensors"))) file.SetLength(file.Length / 2); break;
            case "empty weights": File.WriteAllText(At("model.safetensors"), ""); break;
            case "other shapes": Edit("\"intermediate_size\": 64", "\"intermediate_size\": 48"); break;
            case "more layers": Edit("\"num_hidden_layers\": 1", "\"num_hidden_layers\": 2"); break;
            case "no tokenizer": foreach (var name in Directory.GetFiles(folder, "*token*")) File.Delete(name); break;
            case "broken tokenizer": File.WriteAllText(At("tokenizer.json"), "{\"model\": {\"type\": \"BPE\""); break;
            default: throw new ArgumentOutOfRangeException(nameof(damage), damage, "no such damage");
        }
    }

    [Theory]
    [InlineData("data.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n", "reward_model", "data.jsonl:1", "chosen")]
    [InlineData("data.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n", "dpo", "data.jsonl:1", "a dpo stage needs the columns chosen and rejected")]
    [InlineData("data.jsonl", "{\"prompt\":\"a\",\"chosen\":\"b\"}\n", "dpo", "data.jsonl", "beside 'chosen' there is no rejected")]
    [InlineData("data.jsonl", "{\"prompt\":\"a\",\"gold\":\"b\"}\n", "sft", "data.jsonl:1", "completion")]
    [InlineData("data.jsonl", "{\"prompt\":\"a\"}\n{\"prompt\":\n", "sft", "data.jsonl:1", "completion")]
    [InlineData("data.jsonl", "{\"prompt\":\"a\",\"completion\":\n", "sft", "data.jsonl:", "JSON")]
    [InlineData("data.jsonl", "", "sft", "data.jsonl", "no rows")]
    [InlineData("data.jsonl", "{\"id\":1}\n", "sft", "data.jsonl", "id", "columns: { prompt: … }")]
    [InlineData("data.csv", "prompt,completion\n", "sft", "data.csv", "no rows")]
    [InlineData("data.xlsx", "x", "sft", "data.xlsx", "'.xlsx'", ".jsonl")]
    public void A_data_file_without_what_the_stage_needs_is_refused(string file, string content, string kind, params string[] texts)
    {
        place.Write(file, content);
        place.Write("recipe.yaml", Head + Sft + $"  - {kind}: {{ name: last, data: {{ path: {file} }}, steps: 1, batch_size: 2 }}\n");
        place.Run("run", "recipe.yaml", "--out", "out").RefusedInOneLine([$"recipe.yaml:5: stages.1.{kind}.data: ", .. texts]);
        Assert.False(Directory.Exists(place["out"]));
    }

    [Theory]
    [InlineData("data: { path: none.jsonl }, pass_at_k: [1]", "stages.1.evaluate.data.path: none.jsonl: no such file")]
    [InlineData("data: { path: rows.jsonl }, pass_at_k: [1]", "stages.1.evaluate.data: rows.jsonl:2: pass_at_k", "columns.answer")]
    [InlineData("data: { path: rows.jsonl }, judge: gold", "stages.1.evaluate.data: rows.jsonl:2: a judge", "columns.completion")]
    [InlineData("data: { path: rows.jsonl, columns: { answer: anser } }", "stages.1.evaluate.data: rows.jsonl:1: columns.answer is 'anser'", "answer")]
    [InlineData("data: { path: long.jsonl }, max_completion_length: 8", "stages.1.evaluate.data: the prompt at long.jsonl:2 has 301 tokens", "160 positions", "Lower max_completion_length")]
    [InlineData("data: { path: rows.jsonl }, reward_models: [sft], pairs: { path: rows.jsonl }", "stages.1.evaluate.reward_models: stage 'sft' is no reward model")]
    public void Evaluation_data_is_checked_whole_before_training(string settings, params string[] texts)
    {
        place.Write("rows.jsonl", "{\"prompt\":\"a\",\"completion\":\"2\",\"answer\":\"2\"}\n{\"prompt\":\"a\",\"completion\":null,\"answer\":null}\n");
        place.Write("long.jsonl", $"{{\"prompt\":\"a\",\"answer\":\"2\"}}\n{{\"prompt\":\"{new string('x', 300)}\",\"answer\":\"2\"}}\n");
        place.Write("recipe.yaml", Head + Sft + $"  - evaluate: {{ name: last, policies: [sft], {settings} }}\n");
        place.Run("run", "recipe.yaml", "--out", "out").RefusedInOneLine(["recipe.yaml:5: ", .. texts]);
        Assert.False(Directory.Exists(place["out"]));
    }

    [Fact]
    public void Rows_that_do_not_fit_the_model_are_left_out_with_a_warning()
    {
        // Every other row is longer than the model's 160 positions; one step sees all of them.
        place.Write("rows.jsonl", string.Concat(Enumerable.Range(0, 8).Select(i => $"{{\"prompt\":\"{new string('x', i % 2 == 0 ? 5 : 200)}\",\"completion\":\"y\"}}\n")));
        place.Write("recipe.yaml", Head + "  - sft: { name: sft, data: { path: rows.jsonl }, steps: 1, batch_size: 8 }\n"
            + "  - grpo: { name: grpo, policy: sft, data: { path: rows.jsonl }, reward: { length: { target: 3 } }, steps: 1, prompts_per_step: 8, num_generations: 2, max_completion_length: 8 }\n");
        var output = place.Run("run", "recipe.yaml", "--out", "out").Succeeded().Output;
        Assert.Contains("warning: sft: rows.jsonl:", output);
        Assert.Contains("more than 160 tokens", output);
        Assert.Contains("warning: grpo: rows.jsonl:", output);
        Assert.Contains("more than 152 tokens", output);
    }

    [Fact]
    public void The_reference_of_dpo_is_a_language_model_that_the_pairs_fit()
    {
        place.Write("pairs.jsonl", $"{{\"prompt\":\"{new string('x', 100)}\",\"chosen\":\"a\",\"rejected\":\"b\"}}\n");
        string Dpo(string settings) => Head + $"  - dpo: {{ name: last, data: {{ path: pairs.jsonl }}, steps: 1, batch_size: 1, {settings} }}\n";
        place.Write("recipe.yaml", Dpo($"reference: {trained.RewardModel}"));
        place.Run("run", "recipe.yaml").RefusedInOneLine("recipe.yaml:4: stages.0.dpo.reference: ", "reward model");
        place.Write("recipe.yaml", Dpo("reference: sft"));
        place.Run("run", "recipe.yaml").RefusedInOneLine("recipe.yaml:4: stages.0.dpo.reference: 'sft' is neither a model before this stage nor a folder");
        place.Write("recipe.yaml", Dpo("loss_type: ipo, label_smoothing: 0.1"));
        place.Run("run", "recipe.yaml").RefusedInOneLine("recipe.yaml:4: stages.0.dpo.label_smoothing: ", "0.1", "loss_type: ipo", "leave it out");
        place.Write("recipe.yaml", Dpo("label_smoothing: 0.5"));
        place.Run("run", "recipe.yaml").RefusedInOneLine("recipe.yaml:4: stages.0.dpo.label_smoothing: ", "0.5", "less than 0.5");
        Assert.False(Directory.Exists(place["runs"]));
    }

    [Fact]
    public void A_verifier_needs_answers_and_a_reward_model_a_scalar_head()
    {
        place.Write("rows.jsonl", "{\"prompt\":\"a\"}\n");
        const string Grpo = "  - grpo: { name: last, policy: base, data: { path: rows.jsonl }, steps: 1, max_completion_length: 8, reward: ";
        place.Write("recipe.yaml", Head + Grpo + "math }\n");
        place.Run("run", "recipe.yaml").RefusedInOneLine("recipe.yaml:4: stages.0.grpo.data: rows.jsonl:1: ", "gold answer", "columns.answer");
        place.Write("recipe.yaml", Head + Grpo + $"{{ reward_model: {{ model: {trained.Policy} }} }} }}\n");
        place.Run("run", "recipe.yaml").RefusedInOneLine("recipe.yaml:4: stages.0.grpo.reward: ", "language model");
        place.Write("recipe.yaml", Head + Sft.Replace("name: sft", $"name: sft, policy: {trained.RewardModel}"));
        place.Run("run", "recipe.yaml").RefusedInOneLine("recipe.yaml:4: stages.0.sft.policy: ", "reward model");
        Assert.False(Directory.Exists(place["runs"]));
    }
}
