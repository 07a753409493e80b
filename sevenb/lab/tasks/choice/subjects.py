"""The subjects of the multiple-choice tasks: the category that each belongs to, and its name in prompts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """A subject under the name that the data has for it."""

    category: str
    name: str


def _english(category: str, *subjects: str) -> dict[str, Subject]:
    return {subject: Subject(category, subject.replace("_", " ")) for subject in " ".join(subjects).split()}


# Hendrycks et al. 2021, arXiv:2009.03300
MMLU_SUBJECTS = {
    **_english(
        "STEM",
        "abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science",
        "college_mathematics college_physics computer_security conceptual_physics electrical_engineering",
        "elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science",
        "high_school_mathematics high_school_physics high_school_statistics machine_learning",
    ),
    **_english(
        "Humanities",
        "formal_logic high_school_european_history high_school_us_history high_school_world_history international_law",
        "jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory professional_law",
        "world_religions",
    ),
    **_english(
        "Social sciences",
        "econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics",
        "high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations",
        "security_studies sociology us_foreign_policy",
    ),
    **_english(
        "Other",
        "business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing",
        "medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology",
    ),
}

# Li et al. 2023, arXiv:2306.09212
CMMLU_SUBJECTS = {
    "anatomy": Subject("STEM", "解剖学"),
    "astronomy": Subject("STEM", "天文学"),
    "college_actuarial_science": Subject("STEM", "大学精算学"),
    "college_engineering_hydrology": Subject("STEM", "大学工程水文学"),
    "college_mathematics": Subject("STEM", "大学数学"),
    "college_medical_statistics": Subject("STEM", "大学医学统计"),
    "computer_science": Subject("STEM", "计算机科学"),
    "conceptual_physics": Subject("STEM", "概念物理学"),
    "electrical_engineering": Subject("STEM", "电气工程"),
    "elementary_mathematics": Subject("STEM", "初等数学"),
    "genetics": Subject("STEM", "遗传学"),
    "high_school_biology": Subject("STEM", "高中生物"),
    "high_school_chemistry": Subject("STEM", "高中化学"),
    "high_school_mathematics": Subject("STEM", "高中数学"),
    "high_school_physics": Subject("STEM", "高中物理学"),
    "machine_learning": Subject("STEM", "机器学习"),
    "virology": Subject("STEM", "病毒学"),
    "arts": Subject("Humanities", "艺术学"),
    "chinese_history": Subject("Humanities", "中国历史"),
    "chinese_literature": Subject("Humanities", "中国文学"),
    "college_law": Subject("Humanities", "大学法律"),
    "global_facts": Subject("Humanities", "全球事实"),
    "international_law": Subject("Humanities", "国际法学"),
    "jurisprudence": Subject("Humanities", "法理学"),
    "logical": Subject("Humanities", "逻辑学"),
    "marxist_theory": Subject("Humanities", "马克思主义理论"),
    "philosophy": Subject("Humanities", "哲学"),
    "professional_law": Subject("Humanities", "专业法学"),
    "world_history": Subject("Humanities", "世界历史"),
    "world_religions": Subject("Humanities", "世界宗教"),
    "ancient_chinese": Subject("Social sciences", "古汉语"),
    "business_ethics": Subject("Social sciences", "商业伦理"),
    "chinese_civil_service_exam": Subject("Social sciences", "中国公务员考试"),
    "chinese_food_culture": Subject("Social sciences", "中国饮食文化"),
    "chinese_foreign_policy": Subject("Social sciences", "中国外交政策"),
    "chinese_teacher_qualification": Subject("Social sciences", "中国教师资格"),
    "college_education": Subject("Social sciences", "大学教育学"),
    "economics": Subject("Social sciences", "经济学"),
    "education": Subject("Social sciences", "教育学"),
    "elementary_chinese": Subject("Social sciences", "小学语文"),
    "ethnology": Subject("Social sciences", "民族学"),
    "high_school_geography": Subject("Social sciences", "高中地理"),
    "high_school_politics": Subject("Social sciences", "高中政治"),
    "journalism": Subject("Social sciences", "新闻学"),
    "management": Subject("Social sciences", "管理学"),
    "marketing": Subject("Social sciences", "市场营销"),
    "modern_chinese": Subject("Social sciences", "现代汉语"),
    "professional_accounting": Subject("Social sciences", "专业会计"),
    "professional_psychology": Subject("Social sciences", "专业心理学"),
    "public_relations": Subject("Social sciences", "公共关系"),
    "security_study": Subject("Social sciences", "安全研究"),
    "sociology": Subject("Social sciences", "社会学"),
    "agronomy": Subject("Other", "农学"),
    "chinese_driving_rule": Subject("Other", "中国驾驶规则"),
    "clinical_knowledge": Subject("Other", "临床知识"),
    "college_medicine": Subject("Other", "大学医学"),
    "computer_security": Subject("Other", "计算机安全"),
    "construction_project_management": Subject("Other", "建设工程管理"),
    "elementary_commonsense": Subject("Other", "小学常识"),
    "elementary_information_and_technology": Subject("Other", "小学信息技术"),
    "food_science": Subject("Other", "食品科学"),
    "human_sexuality": Subject("Other", "人类性行为"),
    "legal_and_moral_basis": Subject("Other", "法律与道德基础"),
    "nutrition": Subject("Other", "营养学"),
    "professional_medicine": Subject("Other", "专业医学"),
    "sports_science": Subject("Other", "体育学"),
    "traditional_chinese_medicine": Subject("Other", "中医中药"),
}

# These are counted in a fifth category, too.
CHINA_SPECIFIC = frozenset(
    {
        "ancient_chinese",
        "chinese_civil_service_exam",
        "chinese_driving_rule",
        "chinese_food_culture",
        "chinese_foreign_policy",
        "chinese_history",
        "chinese_literature",
        "chinese_teacher_qualification",
        "construction_project_management",
        "elementary_chinese",
        "elementary_commonsense",
        "ethnology",
        "high_school_politics",
        "modern_chinese",
        "traditional_chinese_medicine",
    }
)

# Huang et al. 2023, arXiv:2305.08322
CEVAL_SUBJECTS = {
    "advanced_mathematics": Subject("STEM", "高等数学"),
    "college_chemistry": Subject("STEM", "大学化学"),
    "college_physics": Subject("STEM", "大学物理"),
    "college_programming": Subject("STEM", "大学编程"),
    "computer_architecture": Subject("STEM", "计算机组成"),
    "computer_network": Subject("STEM", "计算机网络"),
    "discrete_mathematics": Subject("STEM", "离散数学"),
    "electrical_engineer": Subject("STEM", "注册电气工程师"),
    "high_school_biology": Subject("STEM", "高中生物"),
    "high_school_chemistry": Subject("STEM", "高中化学"),
    "high_school_mathematics": Subject("STEM", "高中数学"),
    "high_school_physics": Subject("STEM", "高中物理"),
    "metrology_engineer": Subject("STEM", "注册计量师"),
    "middle_school_biology": Subject("STEM", "初中生物"),
    "middle_school_chemistry": Subject("STEM", "初中化学"),
    "middle_school_mathematics": Subject("STEM", "初中数学"),
    "middle_school_physics": Subject("STEM", "初中物理"),
    "operating_system": Subject("STEM", "操作系统"),
    "probability_and_statistics": Subject("STEM", "概率统计"),
    "veterinary_medicine": Subject("STEM", "兽医学"),
    "art_studies": Subject("Humanities", "艺术学"),
    "chinese_language_and_literature": Subject("Humanities", "中国语言文学"),
    "high_school_chinese": Subject("Humanities", "高中语文"),
    "high_school_history": Subject("Humanities", "高中历史"),
    "ideological_and_moral_cultivation": Subject("Humanities", "思想道德修养与法律基础"),
    "law": Subject("Humanities", "法学"),
    "legal_professional": Subject("Humanities", "法律职业资格"),
    "logic": Subject("Humanities", "逻辑学"),
    "middle_school_history": Subject("Humanities", "初中历史"),
    "modern_chinese_history": Subject("Humanities", "近代史纲要"),
    "professional_tour_guide": Subject("Humanities", "导游资格"),
    "business_administration": Subject("Social sciences", "工商管理"),
    "college_economics": Subject("Social sciences", "大学经济学"),
    "education_science": Subject("Social sciences", "教育学"),
    "high_school_geography": Subject("Social sciences", "高中地理"),
    "high_school_politics": Subject("Social sciences", "高中政治"),
    "mao_zedong_thought": Subject("Social sciences", "毛泽东思想和中国特色社会主义理论体系概论"),
    "marxism": Subject("Social sciences", "马克思主义基本原理"),
    "middle_school_geography": Subject("Social sciences", "初中地理"),
    "middle_school_politics": Subject("Social sciences", "初中政治"),
    "teacher_qualification": Subject("Social sciences", "教师资格"),
    "accountant": Subject("Other", "注册会计师"),
    "basic_medicine": Subject("Other", "基础医学"),
    "civil_servant": Subject("Other", "公务员"),
    "clinical_medicine": Subject("Other", "临床医学"),
    "environmental_impact_assessment_engineer": Subject("Other", "环境影响评价工程师"),
    "fire_engineer": Subject("Other", "注册消防工程师"),
    "physician": Subject("Other", "医师资格"),
    "plant_protection": Subject("Other", "植物保护"),
    "sports_science": Subject("Other", "体育学"),
    "tax_accountant": Subject("Other", "税务师"),
    "urban_and_rural_planner": Subject("Other", "注册城乡规划师"),
}
